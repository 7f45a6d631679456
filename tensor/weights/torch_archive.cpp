#include "tensor/weights/torch_archive.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string_view>
#include <utility>

#include "kernels/common/error.h"
#include "tensor/weights/weight_file.h"
#include "tensor/weights/zip.h"

namespace saccade {

namespace {

using Kind = PickleObject::Kind;

constexpr uint64_t kMaxPickle = uint64_t{1} << 30;

// --- The zip archive ---

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

// --- The stream ---

// The last bytes of the first pickle: LONG1, ten bytes, the magic number 0x1950a86a20f9469cfc6c, STOP.
constexpr std::string_view kMagic = "\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

// InputError unless the pickle of the system says that it stores the low byte first.
void check_order(const PickleObjects& system, const std::string& file) {
  const PickleObject& root = system[system.root];
  const PickleObject* little = nullptr;
  for (size_t i = 0; root.kind == Kind::dict && i + 1 < root.items.size(); i += 2) {
    if (system[root.items[i]].text == "little_endian") little = &system[root.items[i + 1]];
  }
  check_input(little && little->kind == Kind::boolean, file,
              ": it does not say in which order its bytes lie");
  check_input(little->integer == 1, file, ": written on a big-endian machine");
}

// Where the elements of each storage lie. They begin at byte `at`, in the order of the keys.
void find_storages(TorchArchive& archive, const PickleObjects& keys, const ByteSource& source, uint64_t at) {
  const std::string& file = source.name();
  std::map<std::string_view, uint64_t> element_size;
  for (const PickleObject& object : archive.objects.all) {
    if (object.kind == Kind::storage) element_size.emplace(object.text, object.element_size);
  }
  check_input(keys[keys.root].kind == Kind::list, file, ": there is no list of its storages");
  for (const PickleRef ref : keys[keys.root].items) {
    const PickleObject& key = keys[ref];
    const std::string what = concat(file, ": the storage ", printable(key.text));
    check_input(key.kind == Kind::text, what, " has no name");
    const auto size = element_size.find(key.text);
    check_input(size != element_size.end() && size->second > 0, what, " has no type whose size is known");
    uint64_t count = 0;
    source.read(at, &count, sizeof count);
    at += sizeof count;
    check_input(count <= (source.size() - at) / size->second, what, " goes beyond the end of the file");
    const StorageBytes bytes{at, count * size->second, false};
    check_input(archive.storages.emplace(key.text, bytes).second, what, " comes twice");
    at += bytes.size;
  }
}

// `size` bytes of the file must hold all pickles.
TorchArchive read_stream(const ByteSource& source, uint64_t size) {
  const std::string& file = source.name();
  TorchArchive out;
  out.pickle.resize(size);
  source.read(0, out.pickle.data(), size);
  std::span<const std::byte> rest = out.pickle;
  const auto next = [&] {
    PickleObjects objects = read_pickle(rest, file);
    rest = rest.subspan(objects.size);
    return objects;
  };
  const std::string_view magic(reinterpret_cast<const char*>(out.pickle.data()), next().size);
  check_input(magic.ends_with(kMagic), file, ": a pickle, but not one that torch.save wrote");
  const PickleObjects version = next();
  check_input(version[version.root].integer == 1001, file, ": torch.save's protocol is not 1001");
  check_order(next(), file);
  out.objects = next();
  const PickleObjects keys = next();
  find_storages(out, keys, source, out.pickle.size() - rest.size());
  return out;
}

// Nothing tells where the pickles end and the storages begin: most pickles are short, and some hold whole arrays.
TorchArchive read_stream(const ByteSource& source) {
  const uint64_t most = std::min(source.size(), kMaxPickle);
  for (uint64_t size = std::min(most, uint64_t{16} << 20);; size = std::min(most, 8 * size)) {
    try {
      return read_stream(source, size);
    } catch (const InputError&) {
      if (size == most) throw;
    }
  }
}

}  // namespace

TorchArchive read_torch_archive(const ByteSource& source) {
  char first = 0;
  if (source.size() > 0) source.read(0, &first, 1);
  return first == '\x80' ? read_stream(source) : read_zip(source);
}

}  // namespace saccade
