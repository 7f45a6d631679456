#include "reid/data/attributes.h"

#include <matio.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <numeric>

#include "kernels/common/error.h"

namespace saccade {
namespace {

// An attribute and the fields of the file that it is read from: one field with codes 1, 2, ..., or one yes /
// no field for each answer.
struct Source {
  Attribute attribute;
  std::vector<std::string> fields;
};

Source coded(const char* field, std::vector<std::string> values) {
  return {{field, std::move(values)}, {field}};
}

Source colours(const char* name, const char* prefix, std::vector<std::string> values) {
  Source source{{name, values}, {}};
  for (const std::string& colour : values) source.fields.push_back(prefix + colour);
  return source;
}

std::vector<Source> market_sources() {
  return {
      coded("gender", {"male", "female"}),
      coded("hair", {"short", "long"}),
      coded("up", {"long_sleeve", "short_sleeve"}),
      coded("down", {"long", "short"}),
      coded("clothes", {"dress", "pants"}),
      coded("hat", {"no", "yes"}),
      coded("backpack", {"no", "yes"}),
      coded("bag", {"no", "yes"}),
      coded("handbag", {"no", "yes"}),
      coded("age", {"young", "teenager", "adult", "old"}),
      colours("upper_colour", "up", {"black", "white", "red", "purple", "gray", "blue", "green", "yellow"}),
      colours("lower_colour", "down",
              {"black", "white", "pink", "gray", "blue", "green", "brown", "yellow", "purple"}),
  };
}

std::vector<Source> duke_sources() {
  return {
      coded("gender", {"male", "female"}),
      coded("top", {"short", "long"}),
      coded("boots", {"no", "yes"}),
      coded("hat", {"no", "yes"}),
      coded("backpack", {"no", "yes"}),
      coded("bag", {"no", "yes"}),
      coded("handbag", {"no", "yes"}),
      coded("shoes", {"dark", "light"}),
      colours("upper_colour", "up", {"black", "white", "red", "purple", "gray", "blue", "green", "brown"}),
      colours("lower_colour", "down", {"black", "white", "red", "gray", "blue", "green", "brown"}),
  };
}

// Whether the file is MATLAB v5 with all of its elements in it: libmatio reads beyond the end of one that was
// cut off.
bool is_whole_mat_file(const std::string& path) {
  constexpr size_t kHeader = 128;  // text, then version 0x0100 and the mark of the byte order
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
  if (bytes.size() < kHeader + 8 || std::memcmp(bytes.data(), "MATLAB 5.0", 10) != 0) return false;
  const bool little = bytes[126] == 'I' && bytes[127] == 'M';
  if (!little && !(bytes[126] == 'M' && bytes[127] == 'I')) return false;
  size_t at = kHeader;
  while (at + 8 <= bytes.size()) {  // elements: type and length, 4 bytes each, then `length` bytes
    size_t length = 0;
    for (size_t i = 0; i < 4; ++i) {
      const size_t byte = static_cast<uint8_t>(bytes[at + 4 + i]);
      length |= byte << 8 * (little ? i : 3 - i);
    }
    if (length > bytes.size() - at - 8) return false;
    at += 8 + length;
  }
  return at == bytes.size();
}

using MatFile = std::unique_ptr<mat_t, int (*)(mat_t*)>;
using MatValue = std::unique_ptr<matvar_t, void (*)(matvar_t*)>;

size_t count_of(const matvar_t& value) {
  return value.dims == nullptr
             ? 0
             : std::accumulate(value.dims, value.dims + value.rank, size_t{1}, std::multiplies<>());
}

// Null unless `value` is one struct with that field. In a damaged file, names and data may be missing.
matvar_t* field_of(matvar_t* value, const char* name) {
  if (value == nullptr || value->class_type != MAT_C_STRUCT || value->data == nullptr ||
      count_of(*value) != 1)
    return nullptr;
  const unsigned fields = Mat_VarGetNumberOfFields(value);
  char* const* names = Mat_VarGetStructFieldnames(value);
  if (names == nullptr || value->nbytes < fields * sizeof(matvar_t*)) return nullptr;
  for (unsigned i = 0; i < fields; ++i)
    if (names[i] != nullptr && std::strcmp(names[i], name) == 0)
      return Mat_VarGetStructFieldByIndex(value, i, 0);
  return nullptr;
}

template <class T>
std::vector<int> whole_numbers(const matvar_t& value) {
  const T* data = static_cast<const T*>(value.data);
  std::vector<int> numbers(count_of(value));
  // A code that is no small whole number becomes 0, which no attribute knows.
  for (size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = data[i] >= 1 && data[i] <= 100 && data[i] == static_cast<T>(static_cast<int>(data[i]))
                     ? static_cast<int>(data[i])
                     : 0;
  return numbers;
}

// The halves of one file, read by name with errors that say where they are.
class Half {
 public:
  Half(const std::string& path, const char* name, matvar_t* value)
      : where_(concat(path, ": ", name)), value_(value) {
    check_input(value->class_type == MAT_C_STRUCT, where_, " is not a struct");
  }

  std::vector<int> persons() const {
    matvar_t* index = field("image_index");
    check_input(index->class_type == MAT_C_CELL && (index->data != nullptr || count_of(*index) == 0), where_,
                ".image_index is not a cell array of strings");
    std::vector<int> pids(count_of(*index));
    for (size_t i = 0; i < pids.size(); ++i) pids[i] = person(Mat_VarGetCell(index, static_cast<int>(i)), i);
    return pids;
  }

  // [persons] codes of one field.
  std::vector<int> codes(const std::string& name, size_t persons) const {
    const matvar_t& value = *field(name.c_str());
    check_input(count_of(value) == persons, where_, ".", name, " has ", count_of(value), " values for ",
                persons, " persons");
    check_input(value.data != nullptr && !value.isComplex, where_, ".", name, " is not a row of numbers");
    switch (value.class_type) {
      case MAT_C_UINT8:
        return whole_numbers<uint8_t>(value);
      case MAT_C_INT8:
        return whole_numbers<int8_t>(value);
      case MAT_C_UINT16:
        return whole_numbers<uint16_t>(value);
      case MAT_C_INT16:
        return whole_numbers<int16_t>(value);
      case MAT_C_UINT32:
        return whole_numbers<uint32_t>(value);
      case MAT_C_INT32:
        return whole_numbers<int32_t>(value);
      case MAT_C_SINGLE:
        return whole_numbers<float>(value);
      case MAT_C_DOUBLE:
        return whole_numbers<double>(value);
      default:
        throw InputError(concat(where_, ".", name, " is not a row of numbers"));
    }
  }

 private:
  matvar_t* field(const char* name) const {
    matvar_t* found = field_of(value_, name);
    check_input(found != nullptr, where_, " has no field \"", name, "\"");
    return found;
  }

  int person(const matvar_t* cell, size_t i) const {
    std::string text;
    const bool characters = cell != nullptr && cell->class_type == MAT_C_CHAR && cell->data != nullptr;
    if (characters && (cell->data_type == MAT_T_UINT16 || cell->data_type == MAT_T_UTF16)) {
      for (size_t c = 0; c < count_of(*cell); ++c)
        text += static_cast<char>(std::min<uint16_t>(static_cast<const uint16_t*>(cell->data)[c], 127));
    } else if (characters && cell->data_size == 1) {
      text.assign(static_cast<const char*>(cell->data), std::min(count_of(*cell), cell->nbytes));
    }
    const bool number =
        !text.empty() && text.size() <= 9 &&
        std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    check_input(number, where_, ".image_index{", i + 1, "} is not a person number such as '0002'");
    return std::stoi(text);
  }

  std::string where_;
  matvar_t* value_;
};

// The one answer that the fields of an attribute give for person i.
int answer(const std::vector<std::vector<int>>& codes, size_t i, int64_t classes, bool* several) {
  *several = false;
  if (codes.size() == 1) {
    const int code = codes[0][i];
    return code >= 1 && code <= classes ? code - 1 : kUnknownAttribute;
  }
  int found = kUnknownAttribute;
  for (size_t c = 0; c < codes.size(); ++c) {
    if (codes[c][i] != 2) continue;
    if (found != kUnknownAttribute) *several = true;
    found = static_cast<int>(c);
  }
  return *several ? kUnknownAttribute : found;
}

AttributeTable read_half(const Half& half, const std::string& where, const std::vector<Source>& sources) {
  const std::vector<int> persons = half.persons();
  check_input(!persons.empty(), where, " names no person");
  std::vector<size_t> order(persons.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return persons[a] < persons[b]; });

  AttributeTable table;
  for (const size_t i : order) table.pids.push_back(persons[i]);
  const auto twice = std::adjacent_find(table.pids.begin(), table.pids.end());
  check_input(twice == table.pids.end(), where, " names person ", twice == table.pids.end() ? 0 : *twice,
              " twice");
  table.values.resize(persons.size() * sources.size());
  table.missing.resize(sources.size());
  table.several.resize(sources.size());
  for (size_t a = 0; a < sources.size(); ++a) {
    std::vector<std::vector<int>> codes;
    for (const std::string& field : sources[a].fields) codes.push_back(half.codes(field, persons.size()));
    for (size_t row = 0; row < order.size(); ++row) {
      bool several = false;
      const int value = answer(codes, order[row], sources[a].attribute.classes(), &several);
      table.values[row * sources.size() + a] = static_cast<int8_t>(value);
      table.several[a] += several;
      table.missing[a] += value == kUnknownAttribute && !several;
    }
  }
  return table;
}

void report_unknown(const char* half, const AttributeTable& table, AttributeSet* set) {
  for (size_t a = 0; a < set->attributes.size(); ++a) {
    const int64_t unknown = table.missing[a] + table.several[a];
    if (unknown == 0) continue;
    set->notice +=
        concat(half, ": ", set->attributes[a].name, " is unknown for ", unknown, " of ", table.pids.size(),
               " persons (", table.missing[a], " without a value, ", table.several[a], " with several)\n");
  }
}

}  // namespace

AttributeSet read_attributes(const std::string& path) {
  std::error_code failure;
  check_input(std::filesystem::exists(path, failure), path, ": no such file");
  check_input(std::filesystem::is_regular_file(path, failure), path, ": is not a file");
  check_input(is_whole_mat_file(path), path, ": is not a MATLAB v5 file, or is truncated");
  const MatFile file(Mat_Open(path.c_str(), MAT_ACC_RDONLY), Mat_Close);
  check_input(file != nullptr, path, ": is not a MATLAB v5 file");

  AttributeSet set;
  while (true) {
    const MatValue value(Mat_VarReadNext(file.get()), Mat_VarFree);
    check_input(value != nullptr, path, ": holds no struct with the fields \"train\" and \"test\"");
    matvar_t* train = field_of(value.get(), "train");
    matvar_t* test = field_of(value.get(), "test");
    if (train == nullptr || test == nullptr) continue;

    const bool duke = field_of(train, "boots") != nullptr;
    const std::vector<Source> sources = duke ? duke_sources() : market_sources();
    for (const Source& source : sources) set.attributes.push_back(source.attribute);
    set.train = read_half(Half(path, "train", train), concat(path, ": train"), sources);
    set.test = read_half(Half(path, "test", test), concat(path, ": test"), sources);
    report_unknown("train", set.train, &set);
    report_unknown("test", set.test, &set);
    return set;
  }
}

std::vector<int8_t> attributes_of(const AttributeSet& set, const AttributeTable& table,
                                  const std::vector<int>& pids, const std::string& path) {
  const size_t width = set.attributes.size();
  std::vector<int8_t> values;
  values.reserve(pids.size() * width);
  for (const int pid : pids) {
    const auto found = std::lower_bound(table.pids.begin(), table.pids.end(), pid);
    check_input(found != table.pids.end() && *found == pid, path, ": knows nothing of person ", pid,
                ": it belongs to another data set");
    const auto row = table.values.begin() + (found - table.pids.begin()) * static_cast<int64_t>(width);
    values.insert(values.end(), row, row + static_cast<int64_t>(width));
  }
  return values;
}

}  // namespace saccade
