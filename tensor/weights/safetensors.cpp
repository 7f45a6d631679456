#include "tensor/weights/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <unordered_set>

#include "tensor/weights/atomic_file.h"
#include "tensor/weights/byte_source.h"
#include "tensor/weights/file_type.h"
#include "tensor/weights/layout.h"
#include "tensor/weights/other_kind.h"

namespace saccade {

namespace {

static_assert(std::endian::native == std::endian::little, "the files are little-endian");

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeader = 100'000'000;  // the limit of the format's own library
constexpr const char* kMetadata = "__metadata__";

struct NamedType {
  const char* name;
  std::optional<FileType> type = {};  // none for a type that is not read
  uint64_t unread_size = 0;           // bytes of one element of such a type; 0 where only the offsets tell

  uint64_t element_size() const { return type ? file_size(*type) : unread_size; }
};

constexpr NamedType kTypes[] = {
    {"F32", FileType::f32}, {"BF16", FileType::bf16}, {"F64", FileType::f64}, {"I64", FileType::i64},
    {"I32", FileType::i32}, {"U8", FileType::u8},     {"F16", FileType::f16}, {"BOOL", FileType::boolean},
    {"I8", {}, 1},          {"F8_E4M3", {}, 1},       {"F8_E5M2", {}, 1},     {"F8_E8M0", {}, 1},
    {"F8_E4M3FNUZ", {}, 1}, {"F8_E5M2FNUZ", {}, 1},   {"I16", {}, 2},         {"U16", {}, 2},
    {"U32", {}, 4},         {"U64", {}, 8},           {"C64", {}, 8}};
constexpr NamedType kUnknownType = {""};

const NamedType& find_type(std::string_view name) {
  for (const NamedType& row : kTypes) {
    if (name == row.name) return row;
  }
  return kUnknownType;
}

// Null for a dtype that files do not hold.
const char* file_name_of(DType dtype) {
  for (const NamedType& row : kTypes) {
    if (row.type && memory_dtype(*row.type) == dtype) return row.name;
  }
  return nullptr;
}

struct Entry {
  std::string name;
  const NamedType* type = nullptr;
  std::string type_name;  // as the file has it
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes from the start of the data

  uint64_t size() const { return end - begin; }
  bool readable() const { return type->type.has_value(); }
  DType dtype() const { return memory_dtype(*type->type); }  // of a readable one
};

struct Header {
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  uint64_t data_start = 0;
};

// Takes the header's JSON event by event. What does not belong there is refused on sight, so neither a deep
// nor a broad tree is ever built.
class HeaderParser : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderParser(Header& header, std::string file) : header_(header), file_(std::move(file)) {}

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("true or false"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return unexpected("a number that is no integer");
  }
  bool binary(binary_t&) override { return unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::shape) {
      refuse_unless(entry_.shape.size() < kMaxFileRank, "more than ", kMaxFileRank, " dimensions");
      refuse_unless(value <= uint64_t(std::numeric_limits<int64_t>::max()), "a size beyond 63 bits");
      entry_.shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (place_ == Place::offsets) {
      refuse_unless(offsets_ < 2, "more than two data_offsets");
      (offsets_++ == 0 ? entry_.begin : entry_.end) = value;
      return true;
    }
    return unexpected("a number");
  }

  bool string(string_t& value) override {
    if (place_ == Place::metadata) {
      check_input(header_.metadata.emplace(key_, std::move(value)).second, file_, ": the metadata key ",
                  printable(key_), " appears twice");
      return true;
    }
    if (place_ != Place::entry || key_ != "dtype" || entry_.type) return unexpected("a string");
    entry_.type = &find_type(value);
    entry_.type_name = std::move(value);
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::start) {
      place_ = Place::root;
    } else if (place_ == Place::root && key_ == kMetadata) {
      check_input(!has_metadata_, file_, ": __metadata__ appears twice");
      has_metadata_ = true;
      place_ = Place::metadata;
    } else if (place_ == Place::root) {
      entry_ = Entry{};
      entry_.name = key_;
      has_shape_ = has_offsets_ = false;
      place_ = Place::entry;
    } else {
      return unexpected("an object");
    }
    return true;
  }

  bool key(string_t& value) override {
    key_ = std::move(value);
    return true;
  }

  bool end_object() override {
    if (place_ == Place::entry) {
      refuse_unless(entry_.type && has_shape_ && has_offsets_, "dtype, shape or data_offsets is missing");
      header_.entries.push_back(std::move(entry_));
    }
    place_ = place_ == Place::root ? Place::end : Place::root;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::entry) return unexpected("an array");
    if (key_ == "shape" && !has_shape_) {
      has_shape_ = true;
      place_ = Place::shape;
      return true;
    }
    if (key_ == "data_offsets" && !has_offsets_) {
      has_offsets_ = true;
      offsets_ = 0;
      place_ = Place::offsets;
      return true;
    }
    return unexpected("an array");
  }

  bool end_array() override {
    if (place_ == Place::offsets) refuse_unless(offsets_ == 2, "data_offsets is not a pair");
    place_ = Place::entry;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    throw InputError(concat(file_, ": the header is not valid JSON in UTF-8, at its byte ", position));
  }

 private:
  enum class Place { start, root, metadata, entry, shape, offsets, end };

  template <class... Parts>
  void refuse_unless(bool ok, const Parts&... parts) const {
    check_input(ok, file_, ": tensor ", printable(entry_.name), ": ", parts...);
  }

  bool unexpected(const char* what) const {
    throw InputError(
        concat(file_, ": the header has ", what, " where it does not belong (at ", printable(key_), ")"));
  }

  Header& header_;
  std::string file_;
  std::string key_;
  Entry entry_;
  Place place_ = Place::start;
  bool has_metadata_ = false, has_shape_ = false, has_offsets_ = false;
  int offsets_ = 0;
};

void check_names(const std::vector<Entry>& entries, const std::string& file) {
  std::unordered_set<std::string_view> seen;
  for (const Entry& entry : entries) {
    check_input(seen.insert(entry.name).second, file, ": tensor ", printable(entry.name), " appears twice");
  }
}

void check_sizes(const std::vector<Entry>& entries, const std::string& file) {
  for (const Entry& entry : entries) {
    const std::string what = concat(file, ": tensor ", printable(entry.name), ": ");
    check_input(entry.begin <= entry.end, what, "its data ends before it begins");
    int64_t elements = 0;
    try {
      // No type takes more bytes in memory than f64, and those must fit 63 bits.
      const DType widest = DType::f64;
      elements = byte_count(widest, entry.shape) / static_cast<int64_t>(size_of(widest));
    } catch (const Error& error) {
      throw InputError(what + error.what());
    }
    const uint64_t size = entry.type->element_size();
    if (size == 0) continue;
    const uint64_t bytes = static_cast<uint64_t>(elements) * size;
    check_input(entry.size() == bytes, what, "its shape takes ", bytes, " bytes, its data has ",
                entry.size());
  }
}

// Every byte of the data belongs to exactly one tensor.
void check_cover(const std::vector<Entry>& entries, uint64_t data_bytes, const std::string& file) {
  std::vector<const Entry*> order(entries.size());
  std::transform(entries.begin(), entries.end(), order.begin(), [](const Entry& entry) { return &entry; });
  std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) {
    return a->begin != b->begin ? a->begin < b->begin : a->end < b->end;
  });
  uint64_t covered = 0;
  for (const Entry* entry : order) {
    const std::string what = concat(file, ": tensor ", printable(entry->name), ": ");
    check_input(entry->end <= data_bytes, what, "its data ends at byte ", entry->end, " of ", data_bytes);
    check_input(entry->begin >= covered, what, "its data overlaps that of another tensor");
    check_input(entry->begin == covered, what, "there is a gap before its data");
    covered = entry->end;
  }
  check_input(covered == data_bytes, file, ": ", data_bytes - covered, " bytes after the last tensor");
}

Header read_header(const ByteSource& source) {
  const std::string& file = source.name();
  check_input(source.size() > kLengthBytes, file, ": too short for a safetensors file (", source.size(),
              " bytes)");
  uint64_t length = 0;
  char brace = 0;
  source.read(0, &length, kLengthBytes);
  source.read(kLengthBytes, &brace, 1);
  const bool begins_well =
      brace == '{' && length <= kMaxHeader;  // its length may look like the start of anything
  const OtherKind other = begins_well ? OtherKind{} : other_kind(source);
  check_input(other.name.empty(), file, ": not a safetensors file, but ", other.name,
              other.has_tensors
                  ? "; save its tensors by safetensors.torch.save_file or safetensors.numpy.save_file"
                  : "");
  check_input(length <= source.size() - kLengthBytes, file, ": the header's length (", length,
              " bytes) goes beyond the file; not a safetensors file, or a truncated one");
  check_input(length <= kMaxHeader, file, ": the header's length (", length, " bytes) is over the limit of ",
              kMaxHeader);
  std::string text(length, '\0');
  source.read(kLengthBytes, text.data(), length);
  check_input(!text.empty() && text[0] == '{', file,
              ": not a safetensors file (its header does not start with '{')");
  // The JSON parser would take a zero byte for the end of the text.
  check_input(text.find('\0') == std::string::npos, file, ": the header has a zero byte");

  Header header;
  header.data_start = kLengthBytes + length;
  HeaderParser parser(header, file);
  nlohmann::json::sax_parse(text, &parser);
  check_names(header.entries, file);
  check_sizes(header.entries, file);
  check_cover(header.entries, source.size() - header.data_start, file);
  return header;
}

HostTensor read_tensor(const ByteSource& source, uint64_t data_start, const Entry& entry) {
  std::vector<std::byte> raw(entry.size());
  source.read(data_start + entry.begin, raw.data(), raw.size());
  return {entry.name, entry.dtype(), entry.shape, to_memory(*entry.type->type, std::move(raw))};
}

WeightFile read_all(const ByteSource& source, const std::function<bool(const std::string&)>& wanted) {
  Header header = read_header(source);
  WeightFile file;
  file.metadata = std::move(header.metadata);
  for (const Entry& entry : header.entries) {
    if (wanted && !wanted(entry.name)) continue;
    if (entry.readable()) {
      file.tensors.push_back(read_tensor(source, header.data_start, entry));
    } else {
      file.unread[entry.name] = unread_type(entry.type_name);
      check_input(!wanted, source.name(), ": tensor ", printable(entry.name), ": ", file.unread[entry.name]);
    }
  }
  return file;
}

// --- Writing ---

std::string json_string(const std::string& text, const std::string& path) {
  check(is_utf8(text), path, ": the name ", printable(text), " is not UTF-8");
  return nlohmann::json(text).dump();
}

// Where each tensor's data begins: by falling element size, else in the given order.
std::vector<size_t> data_order(std::span<const TensorView> tensors) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return size_of(tensors[a].dtype) > size_of(tensors[b].dtype); });
  return order;
}

std::string header_text(const std::string& path, std::span<const TensorView> tensors,
                        std::span<const size_t> order, const std::map<std::string, std::string>& metadata) {
  std::vector<int64_t> begin(tensors.size());
  int64_t next = 0;
  for (const size_t i : order) {
    begin[i] = next;
    next += byte_count(tensors[i].dtype, tensors[i].shape);
  }
  std::string text = "{";
  const auto comma = [&] {
    if (text.back() != '{') text += ',';
  };
  if (!metadata.empty()) {
    text += concat('"', kMetadata, "\":{");
    for (const auto& [key, value] : metadata) {
      comma();
      text += json_string(key, path) + ':' + json_string(value, path);
    }
    text += '}';
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorView& tensor = tensors[i];
    comma();
    text += json_string(tensor.name, path) +
            concat(":{\"dtype\":\"", file_name_of(tensor.dtype), "\",\"shape\":[");
    for (size_t d = 0; d < tensor.shape.size(); ++d) text += concat(d == 0 ? "" : ",", tensor.shape[d]);
    text += concat("],\"data_offsets\":[", begin[i], ',', begin[i] + byte_count(tensor.dtype, tensor.shape),
                   "]}");
  }
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

void check_views(const std::string& path, std::span<const TensorView> tensors) {
  std::unordered_set<std::string_view> seen;
  for (const TensorView& tensor : tensors) {
    check(seen.insert(tensor.name).second, path, ": two tensors are called ", printable(tensor.name));
    check(tensor.name != kMetadata, path, ": no tensor may be called ", kMetadata);
    check(file_name_of(tensor.dtype) != nullptr, path, ": tensor ", printable(tensor.name),
          ": a file holds no ", name_of(tensor.dtype));
    check(tensor.shape.size() <= kMaxFileRank, path, ": tensor ", printable(tensor.name),
          " has too many dimensions");
    check(!tensor.krsc || tensor.shape.size() == 4, path, ": tensor ", printable(tensor.name),
          " is no convolution weight");
  }
}

}  // namespace

WeightFile read_safetensors(const std::string& path, const std::function<bool(const std::string&)>& wanted) {
  return read_all(ByteSource(path), wanted);
}

WeightFile parse_safetensors(std::span<const std::byte> bytes, const std::string& name) {
  return read_all(ByteSource(bytes, name), {});
}

SafetensorsHeader read_safetensors_header(const std::string& path) {
  Header header = read_header(ByteSource(path));
  SafetensorsHeader out;
  out.metadata = std::move(header.metadata);
  for (Entry& entry : header.entries) {
    if (entry.readable()) {
      out.tensors.push_back({std::move(entry.name), entry.dtype(), std::move(entry.shape)});
    } else {
      out.unread[entry.name] = unread_type(entry.type_name);
    }
  }
  return out;
}

bool write_safetensors(const std::string& path, std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata) {
  check_views(path, tensors);
  const std::vector<size_t> order = data_order(tensors);
  const std::string header = header_text(path, tensors, order, metadata);
  const uint64_t length = header.size();
  check(length <= kMaxHeader, path, ": the names and the metadata take more than ", kMaxHeader, " bytes");

  AtomicFile file(path);
  file.write(&length, sizeof length);
  file.write(header.data(), header.size());
  std::vector<std::byte> scratch;  // one weight in OIHW
  for (const size_t i : order) {
    const TensorView& tensor = tensors[i];
    const auto bytes = static_cast<size_t>(byte_count(tensor.dtype, tensor.shape));
    const void* data = tensor.data;
    if (tensor.krsc) {
      const auto& s = tensor.shape;  // OIHW
      scratch.resize(bytes);
      permute_krsc_to_oihw(tensor.dtype, std::vector<int64_t>{s[0], s[2], s[3], s[1]}, data, scratch.data());
      data = scratch.data();
    }
    file.write(data, bytes);
  }
  return file.commit();
}

bool write_safetensors(const std::string& path, const WeightFile& file) {
  std::vector<TensorView> views;
  for (const HostTensor& tensor : file.tensors) {
    check(static_cast<size_t>(byte_count(tensor.dtype, tensor.shape)) == tensor.bytes.size(), path,
          ": tensor ", printable(tensor.name), " has ", tensor.bytes.size(),
          " bytes, which is not what its shape takes");
    views.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes.data(), false});
  }
  return write_safetensors(path, views, file.metadata);
}

}  // namespace saccade
