#include "tensor/weights/torch_pickle.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "tensor/weights/byte_source.h"
#include "tensor/weights/torch_archive.h"

namespace saccade {

namespace {

using Kind = PickleObject::Kind;

constexpr size_t kMaxNesting = 32, kMaxListed = 64, kMaxName = 1000, kMaxText = 16 << 20,
                 kMaxOneText = 64 << 10, kMaxVisits = 1 << 20;

// --- Names ---

struct Named {
  std::string name;
  PickleRef value;  // a tensor, or what has no place in the metadata and no named values inside
};

bool is_container(const PickleObject& object) {
  return object.kind == Kind::dict || object.kind == Kind::list || object.kind == Kind::tuple;
}

std::string full_name(const PickleObject& object) {
  if (object.kind == Kind::storage) return "storage";
  if (is_container(object))
    return concat("container inside more than ", kMaxNesting, " others, or inside itself");
  const std::string module(object.text), name(object.name);
  return printable(module.empty() ? name : module + '.' + name);
}

// Walks the dictionaries and gives every tensor and every scalar its name.
class Collector {
 public:
  Collector(const PickleObjects& objects, const std::string& file) : objects_(objects), file_(file) {}

  void collect_root() {
    const PickleObject& root = objects_[objects_.root];
    const std::string what = root.kind == Kind::opaque || root.kind == Kind::global
                                 ? concat("it holds a ", full_name(root), " and ")
                                 : "";
    check_input(is_container(root), file_, ": ", what,
                "no dictionary of tensors (save the model's state_dict)");
    for (const PickleRef state : find_states(root)) {
      visit_items(state, "");
      if (has_tensor()) return add_scalars(root);
      named.clear();
      metadata.clear();
    }
    visit_items(objects_.root, "");
  }

  bool has_tensor() const {
    return std::any_of(named.begin(), named.end(),
                       [&](const Named& item) { return objects_[item.value].kind == Kind::tensor; });
  }

  std::vector<Named> named;
  std::map<std::string, std::string> metadata;

 private:
  // Where training programs keep the weights, the likeliest first.
  std::vector<PickleRef> find_states(const PickleObject& root) const {
    std::vector<PickleRef> states;
    for (const char* name : {"state_dict", "model_state_dict", "model"}) {
      for (size_t i = 0; root.kind == Kind::dict && i + 1 < root.items.size(); i += 2) {
        const PickleObject& item = objects_[root.items[i]];
        const PickleRef value = root.items[i + 1];
        if (item.kind == Kind::text && item.text == name && objects_[value].kind == Kind::dict) {
          states.push_back(value);
        }
      }
    }
    return states;
  }

  void add_scalars(const PickleObject& root) {
    for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
      const std::optional<std::string> name = key(root.items[i]);
      if (name && is_scalar(root.items[i + 1])) visit(root.items[i + 1], *name);
    }
  }

  bool is_scalar(PickleRef ref) const {
    const Kind kind = objects_[ref].kind;
    return kind == Kind::none || kind == Kind::boolean || kind == Kind::integer || kind == Kind::real ||
           kind == Kind::text;
  }

  // What lies under a key that is neither text nor a whole number has no name, so nobody can want it.
  std::optional<std::string> key(PickleRef ref) const {
    const PickleObject& object = objects_[ref];
    if (object.kind == Kind::integer) return std::to_string(object.integer);
    if (object.kind != Kind::text || object.text.size() > kMaxName || !is_utf8(object.text)) return {};
    return std::string(object.text);
  }

  // What the file holds once, names and texts may repeat many times, so their sum is limited.
  void charge(size_t bytes) {
    text_ += bytes;
    check_input(text_ <= kMaxText, file_, ": its names and texts take more than ", kMaxText, " bytes");
  }

  void visit_items(PickleRef ref, const std::string& prefix) {
    const PickleObject& container = objects_[ref];
    path_.push_back(ref);
    const bool dict = container.kind == Kind::dict;
    visits_ += container.items.size() / kMaxListed;
    for (size_t i = 0; i < container.items.size(); i += dict ? 2 : 1) {
      // Nobody asks for one of a thousand numbers.
      if (!dict && container.items.size() > kMaxListed && is_scalar(container.items[i])) continue;
      // Containers may be shared, so the walk can be far longer than the file.
      check_input(++visits_ <= kMaxVisits, file_, ": more than ", kMaxVisits, " values");
      const std::optional<std::string> last = dict ? key(container.items[i]) : std::to_string(i);
      if (!last || prefix.size() + last->size() > kMaxName) continue;
      const std::string name = prefix + *last;
      charge(name.size());
      visit(container.items[dict ? i + 1 : i], name);
    }
    path_.pop_back();
  }

  bool can_enter(PickleRef container) const {
    return path_.size() < kMaxNesting && std::find(path_.begin(), path_.end(), container) == path_.end();
  }

  void visit(PickleRef ref, const std::string& name) {
    const PickleObject& object = objects_[ref];
    switch (object.kind) {
      case Kind::tensor:
      case Kind::opaque:
      case Kind::global:
      case Kind::storage:
        return named.push_back({name, ref});
      case Kind::dict:
      case Kind::list:
      case Kind::tuple:
        if (object.items.empty()) return;
        return can_enter(ref) ? visit_items(ref, name + '.') : named.push_back({name, ref});
      case Kind::text:
        if (object.text.size() > kMaxOneText) return;  // a log, and no word about the weights
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
        return;
    }
  }

  const PickleObjects& objects_;
  const std::string& file_;
  std::vector<PickleRef> path_;  // the containers around what is visited
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

// Why one tensor of a file cannot be read.
struct Unreadable {
  std::string reason;
};

template <class... Parts>
void need(bool ok, const Parts&... parts) {
  if (!ok) throw Unreadable{concat(parts...)};
}

// Reads tensors; one that cannot be read is Unreadable.
class TensorReader {
 public:
  TensorReader(const ByteSource& source, const TorchArchive& archive)
      : source_(source),
        archive_(archive),
        objects_(archive.objects),
        budget_(4 * source.size() + (1 << 20)) {}

  HostTensor read(const Named& named) {
    const PickleObject& object = objects_[named.value];
    const PickleObject& storage = objects_[object.items[0]];
    need(object.name.empty(), unread_type(object.name));
    need(storage.type.has_value(), unread_type(storage.name));
    const StorageBytes& bytes = find_storage(storage);
    const Strided tensor = describe(storage, object.items);

    const DType dtype = memory_dtype(tensor.type);
    const uint64_t needed = static_cast<uint64_t>(std::max(tensor.count, tensor.span)) * size_of(dtype);
    need(needed <= budget_, "the file would need more than four times its size in memory");
    budget_ -= needed;

    const auto size = static_cast<int64_t>(file_size(tensor.type));
    std::vector<std::byte> raw(static_cast<size_t>(tensor.span * size));
    source_.read(bytes.offset + static_cast<uint64_t>(tensor.offset * size), raw.data(), raw.size());
    if (!tensor.dense()) {
      std::vector<std::byte> gathered(static_cast<size_t>(tensor.count * size));
      gather(tensor, raw.data(), gathered.data());
      raw = std::move(gathered);
    }
    return {named.name, dtype, tensor.shape, to_memory(tensor.type, std::move(raw))};
  }

 private:
  const StorageBytes& find_storage(const PickleObject& storage) const {
    const auto found = archive_.storages.find(storage.text);
    need(found != archive_.storages.end(), "its storage ", printable(storage.text), " is not in the file");
    const StorageBytes& bytes = found->second;
    need(!bytes.compressed, "its storage ", printable(storage.text),
         " is compressed, where torch.save stores");
    const uint64_t size = file_size(*storage.type);
    need(storage.integer >= 0 && bytes.size / size == static_cast<uint64_t>(storage.integer) &&
             bytes.size % size == 0,
         "its storage has ", bytes.size, " bytes, not ", storage.integer, " elements of ", size);
    return bytes;
  }

  std::vector<int64_t> sizes(PickleRef ref, const char* name) const {
    std::vector<int64_t> out;
    const auto& items = objects_[ref].items;
    need(items.size() <= kMaxFileRank, "more than ", kMaxFileRank, " dimensions");
    for (const PickleRef item : items) {
      const PickleObject& value = objects_[item];
      need(value.kind == Kind::integer && value.integer >= 0, "its ", name,
           " are not all whole numbers from 0");
      out.push_back(value.integer);
    }
    return out;
  }

  // Shape, strides and offset, once they are known to stay inside the storage or the view of it.
  Strided describe(const PickleObject& storage, const std::vector<PickleRef>& parts) const {
    int64_t first = 0, elements = storage.integer;
    if (!storage.items.empty()) {
      first = objects_[storage.items[0]].integer;
      elements = objects_[storage.items[1]].integer;
      need(first >= 0 && elements >= 0 && first <= storage.integer && elements <= storage.integer - first,
           "its view reaches outside its storage of ", storage.integer, " elements");
    }
    Strided out{*storage.type,
                sizes(parts[2], "sizes"),
                sizes(parts[3], "strides"),
                objects_[parts[1]].integer,
                0,
                0};
    need(out.shape.size() == out.stride.size(), out.shape.size(), " sizes, but ", out.stride.size(),
         " strides");
    try {
      const DType widest = DType::f64;
      out.count = byte_count(widest, out.shape) / static_cast<int64_t>(size_of(widest));
    } catch (const Error& error) {
      throw Unreadable{error.what()};
    }
    int64_t last = out.offset;
    bool fits = out.offset >= 0 && out.offset <= elements;
    for (size_t d = 0; d < out.shape.size() && out.count > 0; ++d) {
      int64_t step = 0;
      fits = fits && !__builtin_mul_overflow(out.shape[d] - 1, out.stride[d], &step) &&
             !__builtin_add_overflow(last, step, &last);
    }
    fits = fits && (out.count == 0 || last < elements);
    need(fits, "it reaches outside its storage of ", elements, " elements");
    for (size_t d = 0; d < out.shape.size(); ++d) {
      if (out.shape[d] <= 1) out.stride[d] = 0;  // no step is ever taken, and the file may say anything
    }
    out.span = out.count == 0 ? 0 : last - out.offset + 1;
    out.offset += first;
    return out;
  }

  const ByteSource& source_;
  const TorchArchive& archive_;
  const PickleObjects& objects_;
  uint64_t budget_;  // bytes that tensors may still take
};

WeightFile read_all(const ByteSource& source, const std::function<bool(const std::string&)>& wanted) {
  const std::string& path = source.name();
  const TorchArchive archive = read_torch_archive(source);
  Collector collector(archive.objects, path);
  collector.collect_root();
  const std::vector<Named>& named = collector.named;
  const PickleObjects& objects = archive.objects;
  if (!collector.has_tensor()) {
    const std::string instead =
        named.empty() ? std::string()
                      : concat("; ", printable(named[0].name), " is a ", full_name(objects[named[0].value]),
                               " (save the model's state_dict)");
    throw InputError(path + ": there is no tensor in it" + instead);
  }
  std::map<std::string_view, int> seen;
  for (const Named& item : named)
    if (objects[item.value].kind == Kind::tensor) ++seen[item.name];

  WeightFile file;
  file.metadata = std::move(collector.metadata);
  TensorReader reader(source, archive);
  for (const Named& item : named) {
    if (wanted && !wanted(item.name)) continue;
    if (objects[item.value].kind != Kind::tensor) {
      if (seen.count(item.name) > 0) continue;  // the name is a tensor's
      file.unread[item.name] = concat("it is a ", full_name(objects[item.value]), " and no tensor");
      continue;
    }
    try {
      need(seen[item.name] == 1, "two tensors have this name");
      file.tensors.push_back(reader.read(item));
    } catch (const Unreadable& unreadable) {
      file.unread[item.name] = unreadable.reason;
      // One that somebody asked for by name must be there, and a file must have one that can be read.
      check_input(!wanted, path, ": tensor ", printable(item.name), ": ", unreadable.reason);
    }
  }
  if (!wanted && file.tensors.empty()) {
    const auto first = std::find_if(named.begin(), named.end(), [&](const Named& item) {
      return objects[item.value].kind == Kind::tensor;
    });
    throw InputError(concat(path, ": no tensor in it can be read: tensor ", printable(first->name), ": ",
                            file.unread[first->name]));
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
