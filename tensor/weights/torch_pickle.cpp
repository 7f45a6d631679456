#include "tensor/weights/torch_pickle.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <utility>

#include "tensor/weights/byte_source.h"
#include "tensor/weights/pickle.h"
#include "tensor/weights/zip.h"

namespace saccade {

namespace {

using Kind = PickleObject::Kind;

constexpr uint64_t kMaxPickle = 16 << 20;
constexpr size_t kMaxNesting = 32, kMaxName = 1000, kMaxText = 16 << 20, kMaxVisits = 1 << 17;

// --- The archive ---

class Archive {
 public:
  explicit Archive(const ByteSource& source) : source_(source) {
    for (ZipEntry& entry : read_zip_directory(source)) entries_.emplace(entry.name, std::move(entry));
    find_prefix();
    check_input(!find("constants.pkl"), source.name(),
                ": a TorchScript program; save the model's state_dict with torch.save");
    for (const auto& [name, entry] : entries_) {
      check_input(!entry.compressed, source.name(), ": the zip entry ", printable(name),
                  " is compressed, where torch.save stores; unpack the archive and pack it again without "
                  "compression");
    }
    if (const ZipEntry* order = find("byteorder")) {
      check_input(read_text(*order, 16) == "little", source.name(), ": written on a big-endian machine");
    }
  }

  const ZipEntry* find(const std::string& name) const {
    const auto found = entries_.find(prefix_ + name);
    return found == entries_.end() ? nullptr : &found->second;
  }

  std::string read_text(const ZipEntry& entry, uint64_t longest) const {
    check_input(entry.size <= longest, source_.name(), ": the entry ", printable(entry.name), " has ",
                entry.size, " bytes, over the limit of ", longest);
    std::string text(entry.size, '\0');
    source_.read(entry.offset, text.data(), text.size());
    return text;
  }

 private:
  // Everything lies in one folder, named after the file: the one that holds data.pkl.
  void find_prefix() {
    const std::string pickle = "/data.pkl";
    for (const auto& [name, entry] : entries_) {
      const size_t slash = name.find('/');
      if (slash == std::string::npos || name.compare(slash, std::string::npos, pickle) != 0) continue;
      check_input(prefix_.empty(), source_.name(), ": two entries are a data.pkl");
      prefix_ = name.substr(0, slash + 1);
    }
    check_input(!prefix_.empty(), source_.name(), ": a zip archive, but without the data.pkl of torch.save");
  }

  const ByteSource& source_;
  std::map<std::string, ZipEntry> entries_;
  std::string prefix_;
};

// --- Names ---

struct Named {
  std::string name;
  PickleRef tensor;
};

// Walks the dictionaries and gives every tensor and every scalar its name.
class Collector {
 public:
  Collector(const PickleObjects& objects, const std::string& file) : objects_(objects), file_(file) {}

  void collect_root() {
    const PickleObject& root = objects_[objects_.root];
    check_input(root.kind == Kind::dict, file_, ": no dictionary of tensors (save the model's state_dict)");
    const PickleRef state = find_state(root);
    if (state == objects_.root) {
      visit_items(state, "", 0);
    } else {
      for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
        if (is_scalar(root.items[i + 1])) visit(root.items[i + 1], key(root.items[i]), 1);
      }
      visit_items(state, "", 0);
    }
    strip_module();
  }

  std::vector<Named> tensors;
  std::map<std::string, std::string> metadata;

 private:
  PickleRef find_state(const PickleObject& root) const {
    for (const char* name : {"state_dict", "model_state_dict", "model"}) {
      for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
        const PickleObject& item = objects_[root.items[i]];
        const PickleRef value = root.items[i + 1];
        if (item.kind == Kind::text && item.text == name && objects_[value].kind == Kind::dict) return value;
      }
    }
    return objects_.root;
  }

  bool is_scalar(PickleRef ref) const {
    const Kind kind = objects_[ref].kind;
    return kind == Kind::boolean || kind == Kind::integer || kind == Kind::real || kind == Kind::text;
  }

  std::string key(PickleRef ref) const {
    const PickleObject& object = objects_[ref];
    if (object.kind == Kind::integer) return std::to_string(object.integer);
    check_input(object.kind == Kind::text, file_, ": a dictionary's key is neither text nor a whole number");
    check_input(object.text.size() <= kMaxName && is_utf8(object.text), file_, ": the name ",
                printable(object.text), " is too long or not UTF-8");
    return std::string(object.text);
  }

  // What the file holds once, names and texts may repeat many times, so their sum is limited.
  void charge(size_t bytes) {
    text_ += bytes;
    check_input(text_ <= kMaxText, file_, ": its names and texts take more than ", kMaxText, " bytes");
  }

  void visit_items(PickleRef ref, const std::string& prefix, size_t depth) {
    const PickleObject& container = objects_[ref];
    check_input(depth < kMaxNesting, file_, ": containers nest deeper than ", kMaxNesting,
                " or hold themselves");
    const bool dict = container.kind == Kind::dict;
    for (size_t i = 0; i < container.items.size(); i += dict ? 2 : 1) {
      const std::string name = prefix + (dict ? key(container.items[i]) : std::to_string(i));
      check_input(name.size() <= kMaxName, file_, ": the name ", printable(name), " is too long");
      charge(name.size());
      visit(container.items[dict ? i + 1 : i], name, depth + 1);
    }
  }

  void visit(PickleRef ref, const std::string& name, size_t depth) {
    const PickleObject& object = objects_[ref];
    // Containers may be shared, so the walk can be far longer than the file.
    check_input(++visits_ <= kMaxVisits, file_, ": more than ", kMaxVisits, " values");
    switch (object.kind) {
      case Kind::tensor:
        return tensors.push_back({name, ref});
      case Kind::dict:
      case Kind::list:
      case Kind::tuple:
        return object.items.empty() ? void() : visit_items(ref, name + '.', depth);
      case Kind::text:
        charge(object.text.size());
        if (is_utf8(object.text)) metadata[name] = object.text;
        return;
      case Kind::integer:
        metadata[name] = std::to_string(object.integer);
        return;
      case Kind::boolean:
        metadata[name] = object.integer ? "true" : "false";
        return;
      case Kind::real: {
        char digits[32];
        std::snprintf(digits, sizeof digits, "%.17g", object.real);
        metadata[name] = digits;
        return;
      }
      case Kind::none:
      case Kind::global:
      case Kind::storage:
        return;
    }
  }

  void strip_module() {
    const std::string prefix = "module.";
    const auto has_prefix = [&](const Named& named) { return named.name.rfind(prefix, 0) == 0; };
    if (!std::all_of(tensors.begin(), tensors.end(), has_prefix)) return;
    for (Named& named : tensors) named.name.erase(0, prefix.size());
  }

  const PickleObjects& objects_;
  const std::string& file_;
  size_t text_ = 0, visits_ = 0;
};

// --- Tensors ---

struct Strided {
  FileType type = FileType::f32;
  std::vector<int64_t> shape, stride;  // in elements
  int64_t offset = 0;                  // of the first element, in the storage
  int64_t span = 0;  // elements from the first to the last, both included; 0 if there are none
  int64_t count = 0;

  bool dense() const {
    int64_t expected = 1;
    for (size_t d = shape.size(); d-- > 0;) {
      if (shape[d] != 1 && stride[d] != expected) return false;
      expected *= shape[d];
    }
    return true;
  }
};

// Copies the elements in row-major order. `from` starts at the tensor's first element.
void gather(const Strided& tensor, const std::byte* from, std::byte* to) {
  const auto size = static_cast<int64_t>(file_size(tensor.type));
  const size_t rank = tensor.shape.size();
  std::vector<int64_t> index(rank);
  int64_t at = 0;
  for (int64_t n = 0; n < tensor.count; ++n) {
    std::memcpy(to + n * size, from + at * size, static_cast<size_t>(size));
    for (size_t d = rank; d-- > 0;) {
      at += tensor.stride[d];
      if (++index[d] < tensor.shape[d]) break;
      at -= tensor.stride[d] * tensor.shape[d];
      index[d] = 0;
    }
  }
}

class TensorReader {
 public:
  TensorReader(const ByteSource& source, const Archive& archive, const PickleObjects& objects)
      : source_(source), archive_(archive), objects_(objects), budget_(4 * source.size() + (1 << 20)) {}

  HostTensor read(const Named& named) {
    what_ = concat(source_.name(), ": tensor ", printable(named.name), ": ");
    const std::vector<PickleRef>& parts = objects_[named.tensor].items;
    const PickleObject& storage = objects_[parts[0]];
    const ZipEntry& entry = find_storage(storage);
    const Strided tensor = describe(storage, parts);

    const DType dtype = memory_dtype(tensor.type);
    const uint64_t bytes = static_cast<uint64_t>(std::max(tensor.count, tensor.span)) * size_of(dtype);
    check_input(bytes <= budget_, what_, "the file would need more than four times its size in memory");
    budget_ -= bytes;

    const auto size = static_cast<int64_t>(file_size(tensor.type));
    std::vector<std::byte> raw(static_cast<size_t>(tensor.span * size));
    source_.read(entry.offset + static_cast<uint64_t>(tensor.offset * size), raw.data(), raw.size());
    if (!tensor.dense()) {
      std::vector<std::byte> gathered(static_cast<size_t>(tensor.count * size));
      gather(tensor, raw.data(), gathered.data());
      raw = std::move(gathered);
    }
    return {named.name, dtype, tensor.shape, to_memory(tensor.type, std::move(raw))};
  }

 private:
  const ZipEntry& find_storage(const PickleObject& storage) const {
    const ZipEntry* entry = archive_.find("data/" + std::string(storage.text));
    check_input(entry != nullptr, what_, "its storage ", printable(storage.text), " is not in the file");
    const uint64_t size = file_size(storage.type);
    check_input(storage.integer >= 0 && entry->size / size == static_cast<uint64_t>(storage.integer) &&
                    entry->size % size == 0,
                what_, "its storage has ", entry->size, " bytes, not ", storage.integer, " elements of ",
                size);
    return *entry;
  }

  std::vector<int64_t> sizes(PickleRef ref, const char* name) const {
    std::vector<int64_t> out;
    const auto& items = objects_[ref].items;
    check_input(items.size() <= kMaxFileRank, what_, "more than ", kMaxFileRank, " dimensions");
    for (const PickleRef item : items) {
      const PickleObject& value = objects_[item];
      check_input(value.kind == Kind::integer && value.integer >= 0, what_, "its ", name,
                  " are not all whole numbers from 0");
      out.push_back(value.integer);
    }
    return out;
  }

  // Shape, strides and offset, once they are known to stay inside the storage.
  Strided describe(const PickleObject& storage, const std::vector<PickleRef>& parts) const {
    Strided out{
        storage.type, sizes(parts[2], "sizes"), sizes(parts[3], "strides"), objects_[parts[1]].integer, 0, 0};
    check_input(out.shape.size() == out.stride.size(), what_, out.shape.size(), " sizes, but ",
                out.stride.size(), " strides");
    try {
      const DType widest = DType::f64;
      out.count = byte_count(widest, out.shape) / static_cast<int64_t>(size_of(widest));
    } catch (const Error& error) {
      throw InputError(what_ + error.what());
    }
    int64_t last = out.offset;
    bool fits = out.offset >= 0 && out.offset <= storage.integer;
    for (size_t d = 0; d < out.shape.size() && out.count > 0; ++d) {
      int64_t step = 0;
      fits = fits && !__builtin_mul_overflow(out.shape[d] - 1, out.stride[d], &step) &&
             !__builtin_add_overflow(last, step, &last);
    }
    fits = fits && (out.count == 0 || last < storage.integer);
    check_input(fits, what_, "it reaches outside its storage of ", storage.integer, " elements");
    for (size_t d = 0; d < out.shape.size(); ++d) {
      if (out.shape[d] <= 1) out.stride[d] = 0;  // no step is ever taken, and the file may say anything
    }
    out.span = out.count == 0 ? 0 : last - out.offset + 1;
    return out;
  }

  const ByteSource& source_;
  const Archive& archive_;
  const PickleObjects& objects_;
  uint64_t budget_;  // bytes that tensors may still take
  std::string what_;
};

WeightFile read_all(const ByteSource& source, const std::function<bool(const std::string&)>& wanted) {
  const Archive archive(source);
  const std::string pickle = archive.read_text(*archive.find("data.pkl"), kMaxPickle);
  const PickleObjects objects = read_pickle(std::as_bytes(std::span(pickle)), source.name());
  Collector collector(objects, source.name());
  collector.collect_root();
  check_input(!collector.tensors.empty(), source.name(), ": there is no tensor in it");

  std::map<std::string_view, int> seen;
  for (const Named& named : collector.tensors) {
    check_input(seen[named.name]++ == 0, source.name(), ": two tensors are called ", printable(named.name));
  }
  WeightFile file;
  file.metadata = std::move(collector.metadata);
  TensorReader reader(source, archive, objects);
  for (const Named& named : collector.tensors) {
    if (!wanted || wanted(named.name)) file.tensors.push_back(reader.read(named));
  }
  return file;
}

}  // namespace

WeightFile read_torch_pickle(const std::string& path, const std::function<bool(const std::string&)>& wanted) {
  return read_all(ByteSource(path), wanted);
}

WeightFile parse_torch_pickle(std::span<const std::byte> bytes, const std::string& name) {
  return read_all(ByteSource(bytes, name), {});
}

}  // namespace saccade
