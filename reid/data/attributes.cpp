#include "reid/data/attributes.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <numeric>

#include "kernels/common/error.h"

namespace saccade {
namespace {

// An attribute and the fields of the file that it is read from: one field with codes 1, 2, ..., or for each
// answer one field that says yes (2) or no (1).
struct Source {
  Attribute attribute;
  std::vector<std::string> fields;
};

Source coded(const char* field, std::vector<std::string> values) {
  return {{field, std::move(values)}, {field}};
}

Source colors(const char* name, const char* prefix, std::vector<std::string> values) {
  Source source{{name, values}, {}};
  for (const std::string& color : values) source.fields.push_back(prefix + color);
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
      colors("upper_color", "up", {"black", "white", "red", "purple", "gray", "blue", "green", "yellow"}),
      colors("lower_color", "down",
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
      colors("upper_color", "up", {"black", "white", "red", "purple", "gray", "blue", "green", "brown"}),
      colors("lower_color", "down", {"black", "white", "red", "gray", "blue", "green", "brown"}),
  };
}

// A code that is not a whole number from 1 to 100 becomes 0, which is the code of no answer.
std::vector<int> whole_numbers(const std::vector<double>& values) {
  std::vector<int> codes;
  for (const double v : values)
    codes.push_back(v >= 1 && v <= 100 && v == std::trunc(v) ? static_cast<int>(v) : 0);
  return codes;
}

// One half of a file. Its fields are read by name, and its errors say where they are.
class Half {
 public:
  Half(const std::string& path, const char* name, const MatValue& value)
      : where_(concat(path, ": ", name)), value_(value) {
    check_input(value.kind == MatValue::Kind::structure, where_, " is not a struct");
  }

  std::vector<int> persons() const {
    const MatValue& index = field("image_index");
    check_input(index.kind == MatValue::Kind::cells, where_, ".image_index is not a cell array of strings");
    std::vector<int> pids(index.count);
    for (size_t i = 0; i < pids.size(); ++i) pids[i] = person(index.parts[i].text, i);
    return pids;
  }

  // The codes of one field, [persons].
  std::vector<int> codes(const std::string& name, size_t persons) const {
    const MatValue& value = field(name);
    check_input(value.kind == MatValue::Kind::numbers, where_, ".", name, " is not a row of numbers");
    check_input(value.count == persons, where_, ".", name, " has ", value.count, " values for ", persons,
                " persons");
    return whole_numbers(value.numbers);
  }

 private:
  const MatValue& field(const std::string& name) const {
    const MatValue* found = value_.field(name);
    check_input(found != nullptr, where_, " has no field \"", name, "\"");
    return *found;
  }

  int person(const std::string& text, size_t i) const {
    const bool number =
        !text.empty() && text.size() <= 9 &&
        std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    check_input(number, where_, ".image_index{", i + 1, "} is not a person number such as '0002'");
    return std::stoi(text);
  }

  std::string where_;
  const MatValue& value_;
};

// The answer that the fields of an attribute give for person i; `several` if they give more than one.
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
  return attributes_in(read_mat_file(path), path);
}

AttributeSet attributes_in(const MatValue& file, const std::string& path) {
  for (const MatValue& value : file.parts) {
    const MatValue* train = value.field("train");
    const MatValue* test = value.field("test");
    if (train == nullptr || test == nullptr) continue;

    AttributeSet set;
    const bool duke = train->field("boots") != nullptr;
    const std::vector<Source> sources = duke ? duke_sources() : market_sources();
    for (const Source& source : sources) set.attributes.push_back(source.attribute);
    set.train = read_half(Half(path, "train", *train), concat(path, ": train"), sources);
    set.test = read_half(Half(path, "test", *test), concat(path, ": test"), sources);
    report_unknown("train", set.train, &set);
    report_unknown("test", set.test, &set);
    return set;
  }
  throw InputError(concat(path, ": holds no struct with the fields \"train\" and \"test\""));
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
