#include "reid/run/config_file.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "kernels/common/text.h"
#include "tensor/weights/json_text.h"
#include "tensor/weights/weight_file.h"

namespace saccade {

using Json = nlohmann::json;

namespace {

using Defaults = std::map<std::string, Json>;  // of a list's items, by the list's name

std::string quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', true, Json::error_handler_t::replace);
}

// stages[12].groups -> stages[].groups: every item of a list has the same keys.
std::string without_numbers(const std::string& path) {
  std::string out;
  bool inside = false;
  for (const char c : path) {
    inside = c == '[' || (inside && c != ']');
    if (!inside || c == '[') out += c;
  }
  return out;
}

const char* kind_of(const Json& value, bool sections) {
  if (value.is_boolean()) return "true or false";
  if (value.is_number_integer()) return "a whole number";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "a text";
  if (value.is_array()) return sections ? "a list of sections" : "a list of whole numbers";
  return "a section of keys";
}

bool fits(const Json& value, const Json& wanted, bool sections) {
  if (wanted.is_number_integer()) return value.is_number_integer();
  if (wanted.is_number()) return value.is_number();
  if (wanted.is_array())
    return value.is_array() && std::all_of(value.begin(), value.end(), [&](const Json& item) {
             return sections ? item.is_object() : item.is_number_integer();
           });
  return value.type() == wanted.type();
}

constexpr int kDeepest = 16;  // sections within sections: more is no config, and would exhaust the stack

// Looks at a text while it is parsed, for what the value no longer tells: a key given twice, and too many levels.
class Watch {
 public:
  std::string twice;  // the first such key, as "section.key"
  bool too_deep = false;

  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    too_deep = too_deep || depth > kDeepest;
    if (too_deep) return false;
    // Of the value itself; the depth of a key is that of its object and one more.
    const auto level = static_cast<size_t>(depth);
    if (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start) {
      levels_.resize(level + 1);
      levels_[level] = {};
    } else if (event == Json::parse_event_t::key) {
      Level& object = levels_[level - 1];
      object.key = parsed.get<std::string>();
      if (!object.keys.insert(object.key).second && twice.empty()) twice = path(level);
    }
    return true;
  }

 private:
  struct Level {
    std::set<std::string> keys;
    std::string key;  // the last
  };
  std::string path(size_t depth) const {
    std::string text;
    for (size_t i = 0; i < depth; ++i)
      if (!levels_[i].key.empty()) text += (text.empty() ? "" : ".") + levels_[i].key;
    return text;
  }
  std::vector<Level> levels_;
};

// nlohmann calls a copy.
Json watched_parse(const std::string& text, Watch& watch, bool throws) {
  return Json::parse(
      text,
      [&watch](int depth, Json::parse_event_t event, Json& parsed) { return watch(depth, event, parsed); },
      throws);
}

void refuse_twice(const Watch& watch, const std::string& name) {
  check_input(watch.twice.empty(), name, ": the key ", quoted(watch.twice), " is given twice");
}

// JSON's whole numbers reach twice as far as ours.
void refuse_huge(const Json& value, const std::string& name, const std::string& key) {
  if (value.is_array())
    for (const Json& item : value) refuse_huge(item, name, key);
  check_input(!value.is_number_unsigned() || value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX), name,
              ": ", key, " is too large a number: ", value.is_number() ? value.dump() : "");
}

// Where `key` stands in the sections of `target`, for one who forgot to name the section.
std::vector<std::string> places_of(const std::string& key, const Json& target, const std::string& prefix) {
  std::vector<std::string> places;
  for (const auto& [section, inner] : target.items()) {
    if (!inner.is_object()) continue;
    if (inner.contains(key)) places.push_back(prefix + section + "." + key);
    for (const std::string& deeper : places_of(key, inner, prefix + section + ".")) places.push_back(deeper);
  }
  return places;
}

// Copies `given` over `target`, which holds every key that exists.
void merge(Json& target, const Json& given, const Defaults& defaults, const std::string& name,
           const std::string& prefix) {
  for (const auto& [key, value] : given.items()) {
    const std::string full = prefix + key;
    if (!target.contains(key)) {
      std::vector<std::string> known = places_of(key, target, prefix);
      if (known.empty())
        for (const auto& [other, unused] : target.items()) known.push_back(prefix + other);
      throw InputError(
          concat(name, ": there is no key ", quoted(full), "; the nearest is ", nearest(full, known)));
    }
    Json& slot = target[key];
    const auto item = defaults.find(without_numbers(full));
    const bool sections = item != defaults.end();
    check_input(fits(value, slot, sections), name, ": ", full, " must be ", kind_of(slot, sections));
    if (slot.is_object()) {
      merge(slot, value, defaults, name, full + ".");
    } else if (sections) {
      slot = Json(value.size(), item->second);
      for (size_t i = 0; i < value.size(); ++i)
        merge(slot[i], value[i], defaults, name, concat(full, "[", i, "]."));
    } else if (slot.is_number_float()) {
      slot = value.get<double>();  // a whole number must not turn the key into one of whole numbers
    } else {
      refuse_huge(value, name, full);
      slot = value;
    }
  }
}

Json parse_file(const std::string& text, const std::string& name) {
  Watch watch;
  Json given;
  try {
    given = watched_parse(text, watch, true);
  } catch (const Json::exception& error) {
    check_input(text.find('\0') == std::string::npos, name, ": not JSON, and no text at all");
    // The library's message without its own names for errors.
    const std::string what = error.what(), begin = "parse error at ";
    const size_t at = what.find(begin);
    throw InputError(
        concat(name, ": not JSON: ", at == std::string::npos ? what : what.substr(at + begin.size())));
  }
  check_input(!watch.too_deep && given.is_object(), name, ": not a JSON object of sections");
  refuse_twice(watch, name);
  return given;
}

// /stages/1/loss -> stages[1].loss, as --set and the keys have it.
std::string name_of_pointer(const std::string& pointer) {
  std::string name;
  for (size_t at = 1; at < pointer.size();) {
    const size_t end = std::min(pointer.find('/', at), pointer.size());
    const std::string part = pointer.substr(at, end - at);
    const bool number = part.find_first_not_of("0123456789") == std::string::npos;
    name += number ? "[" + part + "]" : (name.empty() ? "" : ".") + part;
    at = end + 1;
  }
  return name;
}

// Whole numbers without an exponent.
std::string plain(double value) {
  const bool whole = std::abs(value) < 1e15 && value == std::floor(value);
  return whole ? std::to_string(static_cast<int64_t>(value)) : concat(value);
}

std::string name_of_assignment(const std::string& assignment) {
  return "--set " + printable(assignment);
}

// "a.b=1" as {"a": {"b": 1}}.
Json parse_assignment(const std::string& assignment) {
  const size_t equals = assignment.find('=');
  const std::string name = name_of_assignment(assignment);
  check_input(equals != std::string::npos && equals > 0, name, ": not of the form key=value");
  const std::string text = assignment.substr(equals + 1);
  Watch watch;
  Json value = watched_parse(text, watch, false);
  if (value.is_discarded()) value = text;  // a bare word is a text
  refuse_twice(watch, name);
  std::string path = assignment.substr(0, equals);
  for (size_t dot = path.rfind('.');; dot = path.rfind('.')) {
    const std::string key = dot == std::string::npos ? path : path.substr(dot + 1);
    value = Json{{key, value}};
    if (dot == std::string::npos) return value;
    path = path.substr(0, dot);
  }
}

}  // namespace

Keys::Keys(Mode mode, Json& root, const std::string& name)
    : mode_(mode), name_(name), path_{&root}, prefix_{""}, defaults_(std::make_shared<Defaults>()) {}

std::string Keys::full(const std::string& key) const {
  return prefix_.back().empty() ? key : prefix_.back() + "." + key;
}

template <class T>
void Keys::exchange(const char* key, T& value) {
  if (mode_ == Mode::write)
    (*path_.back())[key] = value;
  else
    value = path_.back()->at(key).get<T>();
}

void Keys::check_range(const char* key, double value, Range range) const {
  require(value >= range.low && value <= range.high, key,
          concat("must lie between ", plain(range.low), " and ", plain(range.high), ", not ", plain(value)));
}

void Keys::require(bool holds, const char* key, const std::string& reason) const {
  if (mode_ == Mode::write || holds) return;
  const std::string name = full(key), *source = &name_;
  for (const auto& [set, assignment] : assigned_)
    if (name == set || name.starts_with(set + ".") || name.starts_with(set + "[")) source = &assignment;
  throw InputError(concat(*source, ": ", name, " ", reason));
}

void Keys::note(const char* key, Decides decides) {
  if (decides == Decides::length) changeable_.grow.insert(full(key));
  if (decides == Decides::what_is_checked) changeable_.freely.insert(full(key));
  if (decides != Decides::nothing) return;
  check(prefix_.back().find('[') == std::string::npos, full(key),
        ": a key in a list decides something: an item has no default to stand for it");
  nothing_.insert(full(key));
}

void Keys::operator()(const char* key, bool& value, Decides decides) {
  exchange(key, value);
  note(key, decides);
}

void Keys::operator()(const char* key, int64_t& value, Range range, Decides decides) {
  exchange(key, value);
  check_range(key, static_cast<double>(value), range);
  note(key, decides);
}

void Keys::operator()(const char* key, double& value, Range range) {
  exchange(key, value);
  check_range(key, value, range);
}

void Keys::operator()(const char* key, std::vector<int64_t>& values, Range of_each) {
  exchange(key, values);
  for (const int64_t value : values) check_range(key, static_cast<double>(value), of_each);
}

void Keys::operator()(const char* key, std::string& value) {
  exchange(key, value);
}

void Keys::operator()(const char* key, std::string& value, const std::vector<std::string>& choices,
                      Decides decides) {
  exchange(key, value);
  const bool known = std::find(choices.begin(), choices.end(), value) != choices.end();
  require(known, key,
          known ? "" : concat("has no value ", quoted(value), "; the nearest is ", nearest(value, choices)));
  note(key, decides);
}

void Keys::enter(const char* key) {
  const std::string name = full(key);
  Json& inner = (*path_.back())[key];
  if (mode_ == Mode::write && inner.is_null()) inner = Json::object();
  path_.push_back(&inner);
  prefix_.push_back(name);
}

size_t Keys::items(size_t count) {
  if (mode_ == Mode::write) *path_.back() = Json(count, Json::object());
  return path_.back()->size();
}

void Keys::enter(size_t item) {
  prefix_.push_back(concat(prefix_.back(), "[", item, "]"));
  path_.push_back(&path_.back()->at(item));
}

void Keys::enter_defaults() {
  const std::string list = without_numbers(prefix_.back());
  Json& item = (*defaults_)[list];
  if (mode_ == Mode::write) item = Json::object();
  path_.push_back(&item);
  prefix_.push_back(list + "[]");
}

void Keys::leave() {
  path_.pop_back();
  prefix_.pop_back();
}

void ConfigFile::read(const Describe& target, const std::string& text, const std::string& name,
                      const std::vector<std::string>& assignments) {
  const Json given = parse_file(text, name);
  Json all = Json::object();
  Keys writer(Keys::Mode::write, all, name);
  target(writer);
  merge(all, given, *writer.defaults_, name, "");
  for (const std::string& assignment : assignments)
    merge(all, parse_assignment(assignment), *writer.defaults_, name_of_assignment(assignment), "");
  Keys reader(Keys::Mode::read, all, name);
  reader.defaults_ = writer.defaults_;
  for (const std::string& assignment : assignments)
    reader.assigned_.emplace_back(assignment.substr(0, assignment.find('=')), name_of_assignment(assignment));
  target(reader);
}

std::string ConfigFile::write(const Describe& values) {
  Json all = Json::object();
  Keys writer(Keys::Mode::write, all, "");
  values(writer);
  return json_text(all);
}

std::string ConfigFile::write_essential(const Describe& values, const Describe& defaults) {
  Json all = Json::object(), at_default = Json::object();
  Keys writer(Keys::Mode::write, all, "");
  values(writer);
  Keys default_writer(Keys::Mode::write, at_default, "");
  defaults(default_writer);
  for (std::string path : writer.nothing_) {
    std::replace(path.begin(), path.end(), '.', '/');
    const Json::json_pointer key("/" + path);
    all[key] = at_default[key];
  }
  return json_text(all);
}

Changeable ConfigFile::changeable_keys(const Describe& values) {
  Json all = Json::object();
  Keys writer(Keys::Mode::write, all, "");
  values(writer);
  return writer.changeable_;
}

std::string read_config_text(const std::string& path) {
  std::error_code ignored;
  check_input(!std::filesystem::is_directory(path, ignored), path, ": is a folder");
  std::ifstream file(path, std::ios::binary);
  check_input(file.good(), path, ": cannot be read: ", std::strerror(errno));
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  check_input(!file.bad(), path, ": cannot be read");
  return text;
}

Peeked peek_config(const std::string& text, const std::string& name,
                   const std::vector<std::string>& assignments, const std::string& key,
                   const std::string& otherwise) {
  Peeked found = {otherwise, name};
  const auto look = [&](const Json& part, const std::string& source) {
    if (!part.contains(key)) return;
    check_input(part[key].is_string(), source, ": ", key, " must be a text");
    found = {part[key].get<std::string>(), source};
  };
  look(parse_file(text, name), name);
  for (const std::string& assignment : assignments)
    look(parse_assignment(assignment), name_of_assignment(assignment));
  return found;
}

std::string first_difference(const std::string& before, const std::string& after, const Changeable& may) {
  const Json a = Json::parse(before).flatten(), b = Json::parse(after).flatten();
  for (const auto& [key, value] : a.items()) {
    if (b.contains(key) && b[key] == value) continue;
    const std::string name = name_of_pointer(key);
    if (b.contains(key) && (may.freely.contains(name) || (may.grow.contains(name) && b[key] > value)))
      continue;
    return concat(name, ": ", json_text(value), ", now ", b.contains(key) ? json_text(b[key]) : "absent");
  }
  return a.size() == b.size() ? "" : "the lists differ in length";
}

}  // namespace saccade
