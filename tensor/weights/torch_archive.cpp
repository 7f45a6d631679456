#include "tensor/weights/torch_archive.h"

#include <string_view>
#include <utility>

#include "kernels/common/error.h"
#include "tensor/weights/weight_file.h"
#include "tensor/weights/zip.h"

namespace saccade {

namespace {

constexpr uint64_t kMaxPickle = 16 << 20;

using Entries = std::map<std::string, ZipEntry>;

// Everything lies in one folder, named after the file: the one that holds data.pkl.
std::string find_folder(const Entries& entries, const std::string& file) {
  const std::string pickle = "/data.pkl";
  std::string folder;
  for (const auto& [name, entry] : entries) {
    const size_t slash = name.find('/');
    if (slash == std::string::npos || name.compare(slash, std::string::npos, pickle) != 0) continue;
    check_input(folder.empty(), file, ": two entries are a data.pkl");
    folder = name.substr(0, slash + 1);
  }
  check_input(!folder.empty(), file, ": a zip archive, but without the data.pkl of torch.save");
  return folder;
}

std::vector<std::byte> read_entry(const ByteSource& source, const ZipEntry& entry, uint64_t longest) {
  const std::string what = concat(source.name(), ": the zip entry ", printable(entry.name));
  check_input(
      !entry.compressed, what,
      " is compressed, where torch.save stores; unpack the archive and pack it again without compression");
  check_input(entry.size <= longest, what, " has ", entry.size, " bytes, over the limit of ", longest);
  std::vector<std::byte> bytes(entry.size);
  source.read(entry.offset, bytes.data(), bytes.size());
  return bytes;
}

TorchArchive read_zip(const ByteSource& source) {
  const std::string& file = source.name();
  Entries entries;
  for (ZipEntry& entry : read_zip_directory(source)) entries.emplace(entry.name, std::move(entry));
  const std::string folder = find_folder(entries, file);
  check_input(!entries.count(folder + "constants.pkl"), file,
              ": a TorchScript program; save the model's state_dict with torch.save");
  if (const auto order = entries.find(folder + "byteorder"); order != entries.end()) {
    const std::vector<std::byte> text = read_entry(source, order->second, 16);
    check_input(std::string_view(reinterpret_cast<const char*>(text.data()), text.size()) == "little", file,
                ": written on a big-endian machine");
  }
  TorchArchive out;
  out.pickle = read_entry(source, entries.at(folder + "data.pkl"), kMaxPickle);
  out.objects = read_pickle(out.pickle, file);
  const std::string data = folder + "data/";
  for (const auto& [name, entry] : entries) {
    if (!name.starts_with(data)) continue;
    out.storages.emplace(name.substr(data.size()), StorageBytes{entry.offset, entry.size, entry.compressed});
  }
  return out;
}

}  // namespace

TorchArchive read_torch_archive(const ByteSource& source) {
  return read_zip(source);
}

}  // namespace saccade
