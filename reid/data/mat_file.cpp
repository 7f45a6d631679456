#include "reid/data/mat_file.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels/common/error.h"
#include "tensor/weights/byte_source.h"

namespace saccade {
namespace {

constexpr size_t kHeader = 128;          // text, then the version 0x0100 and the mark of the byte order
constexpr size_t kMostBytes = 16 << 20;  // of a file, and of all that it unpacks to
constexpr int kDeepest = 16;  // of cells in structs in cells ...; without a limit the stack could run out

// The types of a data element.
constexpr uint32_t kInt8 = 1, kUint8 = 2, kInt16 = 3, kUint16 = 4, kInt32 = 5, kUint32 = 6, kSingle = 7,
                   kDouble = 9, kInt64 = 12, kUint64 = 13, kMatrix = 14, kCompressed = 15, kUtf8 = 16,
                   kUtf16 = 17;

// The classes of an array.
constexpr uint32_t kCellClass = 1, kStructClass = 2, kCharClass = 4, kDoubleClass = 6, kUint64Class = 15;

struct Element {
  uint32_t type = 0;
  std::span<const std::byte> data;
};

// What is the same for all elements of a file.
struct Source {
  const std::string& name;
  bool swapped;  // the file has the other byte order

  template <class T>
  T number(const std::byte* at) const {
    std::byte bytes[sizeof(T)];
    std::memcpy(bytes, at, sizeof(T));
    if (swapped) std::reverse(bytes, bytes + sizeof(T));
    T value;
    std::memcpy(&value, bytes, sizeof(T));
    return value;
  }

  [[noreturn]] void damaged(const char* what) const {
    throw InputError(concat(name, ": is damaged: ", what));
  }
};

// The elements that lie one after another in a stretch of bytes.
class Elements {
 public:
  Elements(std::span<const std::byte> bytes, const Source& source) : left_(bytes), source_(source) {}

  bool empty() const { return left_.empty(); }
  size_t bytes_left() const { return left_.size(); }

  // An element is a tag of type and length, 4 bytes each, then the data, padded to 8 bytes. A small element
  // has 8 bytes in all: a word whose upper half is the length and whose lower half is the type, then up to 4
  // bytes of data.
  Element next() {
    if (left_.size() < 8) source_.damaged("an element ends before its tag");
    const auto word = source_.number<uint32_t>(left_.data());
    if (const size_t small = word >> 16; small != 0) {
      if (small > 4) source_.damaged("a small element of more than 4 bytes");
      return take(word & 0xffff, 4, small, 4);
    }
    const size_t length = source_.number<uint32_t>(left_.data() + 4);
    if (length > left_.size() - 8) source_.damaged("an element goes beyond the end of what holds it");
    const size_t padded = word == kCompressed ? length : (length + 7) / 8 * 8;
    return take(word, 8, length, std::min(padded, left_.size() - 8));
  }

  std::span<const std::byte> next_of(uint32_t type, const char* what) {
    const Element element = next();
    if (element.type != type) source_.damaged(what);
    return element.data;
  }

 private:
  Element take(uint32_t type, size_t tag, size_t length, size_t padded) {
    const Element element{type, left_.subspan(tag, length)};
    left_ = left_.subspan(tag + padded);
    return element;
  }

  std::span<const std::byte> left_;
  const Source& source_;
};

template <class T>
std::vector<double> numbers_as(std::span<const std::byte> data, const Source& source) {
  std::vector<double> numbers(data.size() / sizeof(T));
  for (size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = static_cast<double>(source.number<T>(data.data() + i * sizeof(T)));
  return numbers;
}

// Whole numbers may be stored in a smaller type than their class says, so the type of the element decides.
std::vector<double> numbers_of(const Element& element, const Source& source) {
  switch (element.type) {
    case kInt8:
      return numbers_as<int8_t>(element.data, source);
    case kUint8:
    case kUtf8:
      return numbers_as<uint8_t>(element.data, source);
    case kInt16:
      return numbers_as<int16_t>(element.data, source);
    case kUint16:
    case kUtf16:
      return numbers_as<uint16_t>(element.data, source);
    case kInt32:
      return numbers_as<int32_t>(element.data, source);
    case kUint32:
      return numbers_as<uint32_t>(element.data, source);
    case kSingle:
      return numbers_as<float>(element.data, source);
    case kDouble:
      return numbers_as<double>(element.data, source);
    case kInt64:
      return numbers_as<int64_t>(element.data, source);
    case kUint64:
      return numbers_as<uint64_t>(element.data, source);
    default:
      source.damaged("an element of numbers has an unknown type");
  }
}

std::string ascii(const std::vector<double>& characters) {
  std::string text;
  for (const double c : characters) text += c >= 1 && c < 128 ? static_cast<char>(c) : '?';
  return text;
}

std::string name_of(std::span<const std::byte> bytes) {
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return text.substr(0, text.find('\0'));
}

size_t count_of(std::span<const std::byte> dims, const Source& source) {
  if (dims.size() < 8 || dims.size() % 4 != 0) source.damaged("an array has fewer than two dimensions");
  size_t count = 1;
  for (size_t i = 0; i < dims.size(); i += 4) {
    const auto size = source.number<int32_t>(dims.data() + i);
    if (size < 0) source.damaged("a negative dimension");
    count *= static_cast<size_t>(size);
    if (count > kMostBytes) source.damaged("the dimensions of an array are larger than the file");
  }
  return count;
}

// An array with its name; cells and fields have none.
struct Named {
  std::string name;
  MatValue value;
};

Named read_array(std::span<const std::byte> bytes, const Source& source, int depth);

// The next array. MATLAB writes its empty array as an element without bytes.
MatValue read_part(Elements& elements, const Source& source, int depth) {
  const auto data = elements.next_of(kMatrix, "a cell or a field is no array");
  return data.empty() ? MatValue() : read_array(data, source, depth + 1).value;
}

void read_cells(Elements& elements, const Source& source, int depth, MatValue* value) {
  if (value->count > elements.bytes_left() / 8)
    source.damaged("there are fewer cells than its dimensions say");
  value->kind = MatValue::Kind::cells;
  for (size_t i = 0; i < value->count; ++i) value->parts.push_back(read_part(elements, source, depth));
}

void read_fields(Elements& elements, const Source& source, int depth, MatValue* value) {
  const auto width = elements.next_of(kInt32, "the length of field names is missing");
  const size_t length = width.size() == 4 ? source.number<uint32_t>(width.data()) : 0;
  const auto names = elements.next_of(kInt8, "the field names are missing");
  value->kind = MatValue::Kind::structure;
  if (names.empty()) return;
  if (length == 0 || names.size() % length != 0) source.damaged("the field names do not have their length");
  for (size_t at = 0; at < names.size(); at += length) {
    value->names.push_back(name_of(names.subspan(at, length)));
    value->parts.push_back(read_part(elements, source, depth));
  }
}

void read_numbers(Elements& elements, const Source& source, bool characters, MatValue* value) {
  std::vector<double> numbers;
  if (value->count > 0 || !elements.empty()) numbers = numbers_of(elements.next(), source);
  if (numbers.size() != value->count)
    source.damaged("an array has more or fewer numbers than its dimensions say");
  value->kind = characters ? MatValue::Kind::text : MatValue::Kind::numbers;
  if (characters) {
    value->text = ascii(numbers);
  } else {
    value->numbers = std::move(numbers);
  }
}

Named read_array(std::span<const std::byte> bytes, const Source& source, int depth) {
  if (depth > kDeepest) source.damaged("arrays are nested too deeply");
  Elements elements(bytes, source);
  const auto flags = elements.next_of(kUint32, "an array has no flags");
  if (flags.size() != 8) source.damaged("the flags of an array have the wrong length");
  const auto word = source.number<uint32_t>(flags.data());
  const uint32_t kind = word & 0xff;
  const bool complex = (word & 0x800) != 0, numeric = kind >= kDoubleClass && kind <= kUint64Class;
  if (!numeric && kind != kCellClass && kind != kStructClass && kind != kCharClass) return {};

  Named array;
  MatValue& value = array.value;
  value.count = count_of(elements.next_of(kInt32, "an array has no dimensions"), source);
  array.name = name_of(elements.next_of(kInt8, "an array has no name"));
  if (kind == kCellClass) {
    read_cells(elements, source, depth, &value);
  } else if (kind == kStructClass) {
    if (value.count == 1) read_fields(elements, source, depth, &value);
  } else if (!complex) {
    read_numbers(elements, source, kind == kCharClass, &value);
  }
  return array;
}

// What a zlib stream unpacks to, which must be at most `most` bytes.
std::vector<std::byte> unpack(std::span<const std::byte> packed, size_t most, const Source& source) {
  z_stream stream{};
  check(inflateInit(&stream) == Z_OK, "zlib cannot be started");
  struct End {
    z_stream* stream;
    ~End() { inflateEnd(stream); }
  } const end{&stream};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::vector<std::byte> out;
  int state = Z_OK;
  while (state == Z_OK) {
    check_input(out.size() < most, source.name, ": unpacks to more than ", kMostBytes >> 20, " MiB");
    const size_t had = out.size();
    out.resize(std::min(most, std::max<size_t>(4096, had * 2)));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + had);
    stream.avail_out = static_cast<uInt>(out.size() - had);
    state = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  if (state != Z_STREAM_END) source.damaged("a compressed variable does not unpack");
  return out;
}

}  // namespace

const MatValue* MatValue::field(const std::string& name) const {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? nullptr : &parts[static_cast<size_t>(found - names.begin())];
}

MatValue parse_mat_file(std::span<const std::byte> bytes, const std::string& name) {
  check_input(bytes.size() > kHeader && std::memcmp(bytes.data(), "MATLAB 5.0", 10) == 0, name,
              ": is not a MATLAB v5 file");
  const char first = static_cast<char>(bytes[126]), second = static_cast<char>(bytes[127]);
  const bool little = first == 'I' && second == 'M';
  check_input(little || (first == 'M' && second == 'I'), name,
              ": is not a MATLAB v5 file: it has no mark of its byte order");
  const Source source{name, little != (std::endian::native == std::endian::little)};

  MatValue file;
  file.kind = MatValue::Kind::structure;
  file.count = 1;
  size_t unpacked = 0;
  for (Elements elements(bytes.subspan(kHeader), source); !elements.empty();) {
    Element element = elements.next();
    std::vector<std::byte> memory;
    if (element.type == kCompressed) {
      memory = unpack(element.data, kMostBytes - unpacked, source);
      unpacked += memory.size();
      if (memory.size() < 8) source.damaged("a compressed variable is empty");
      // The length in its tag is ignored: libmatio writes a wrong one at times, and the stream knows its end.
      element = {source.number<uint32_t>(memory.data()), std::span<const std::byte>(memory).subspan(8)};
    }
    if (element.type != kMatrix || element.data.empty()) continue;
    Named variable = read_array(element.data, source, 0);
    file.names.push_back(std::move(variable.name));
    file.parts.push_back(std::move(variable.value));
  }
  return file;
}

MatValue read_mat_file(const std::string& path) {
  const ByteSource source(path);
  check_input(source.size() <= kMostBytes, path, ": is larger than ", kMostBytes >> 20, " MiB");
  std::vector<std::byte> bytes(source.size());
  source.read(0, bytes.data(), bytes.size());
  return parse_mat_file(bytes, path);
}

}  // namespace saccade
