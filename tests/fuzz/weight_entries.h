// What the fuzzers of the weight readers run on each input, and what the normal tests run on the kept corpus.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>

#include "tensor/weights/safetensors.h"
#include "tensor/weights/torch_pickle.h"
#include "tests/common/stored_zip.h"
#include "tests/fuzz/refusal.h"

namespace saccade {

// Throws Error unless what a reader gave is whole, whatever it read.
inline void check_whole(const WeightFile& file) {
  std::set<std::string> names;
  for (const HostTensor& tensor : file.tensors) {
    check(names.insert(tensor.name).second, "the name ", tensor.name, " comes twice");
    check(is_utf8(tensor.name), "a name is not UTF-8");
    check(tensor.shape.size() <= kMaxFileRank, "too many dimensions");
    check(static_cast<size_t>(byte_count(tensor.dtype, tensor.shape)) == tensor.bytes.size(), "wrong size");
  }
  for (const auto& [key, value] : file.metadata)
    check(is_utf8(key) && is_utf8(value), "metadata is not UTF-8");
  for (const auto& [name, why] : file.unread) {
    check(names.insert(name).second && is_utf8(name), "what cannot be read has a bad name");
    check(!why.empty() && why.find('\n') == std::string::npos, "the reason is not one line: ", why);
  }
}

// True if it was read.
template <class Read>
bool read_or_refuse(const Read& read) {
  WeightFile file;
  if (refuses([&] { file = read(); })) return false;
  check_whole(file);
  return true;
}

inline bool enter_safetensors(std::span<const std::byte> input) {
  return read_or_refuse([&] { return parse_safetensors(input, "input"); });
}

// The format before PyTorch 1.6. An input that starts with its magic number is a file. Any other is what follows the
// magic number, the version and the system of one: without them it would be refused at once.
inline bool enter_legacy(std::span<const std::byte> input) {
  std::string text(reinterpret_cast<const char*>(input.data()), input.size());
  const std::string magic = "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  if (text.rfind(magic, 0) != 0) text = magic + "\x80\x02M\xe9\x03.\x80\x02}U\x0dlittle_endian\x88s." + text;
  return read_or_refuse([&] { return parse_torch_pickle(std::as_bytes(std::span(text)), "input"); });
}

// An input that starts as a zip archive is one. Any other is the pickle of an archive that has the storages
// of the golden module.pth: a fuzzer hardly ever gets the archive around a changed pickle right.
inline bool enter_pth(std::span<const std::byte> input) {
  std::string text(reinterpret_cast<const char*>(input.data()), input.size());
  if (text.rfind("PK", 0) != 0) {
    StoredZip zip;
    zip.add("a/data.pkl", text).add("a/data/0", std::string(216, '\1'));
    for (const char* name : {"a/data/1", "a/data/2", "a/data/3", "a/data/4", "a/data/5", "a/data/6"}) {
      zip.add(name, std::string(8, '\2'));
    }
    text = zip.finish();
  }
  return read_or_refuse([&] { return parse_torch_pickle(std::as_bytes(std::span(text)), "input"); });
}

}  // namespace saccade
