// Settings: strict JSON into the struct of a system.
//
// A struct says its keys once, each with its range beside it, in a function that is found by the struct's type:
//
//   struct Loss {
//     double margin = 0.3;
//   };
//   inline void describe(Keys& keys, Loss& loss) {
//     keys("margin", loss.margin, {0, 1e6});
//   }
//
// That one function serves reading, writing, ranges and the nearest key of a misspelled one. Every key has a default,
// the value of a default-constructed struct; a key that does not exist is refused.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace saccade {

// The essential keys that a resumed run may have otherwise.
struct Changeable {
  std::set<std::string> grow, freely;
};

class Keys {
 public:
  struct Range {
    double low, high;  // both included
  };
  // Two configs that differ only in keys which decide nothing learn the same, to the bit: these keys say how fast, how
  // often it is saved and scored (and so which checkpoint counts as the best), what is drawn. A key that decides the
  // length alone may grow when a run is resumed; one whose decision is checked by other means may change.
  enum class Decides { numbers, nothing, length, what_is_checked };

  void operator()(const char* key, bool& value, Decides decides = Decides::numbers);
  void operator()(const char* key, int64_t& value, Range range, Decides decides = Decides::numbers);
  void operator()(const char* key, double& value, Range range);
  void operator()(const char* key, std::vector<int64_t>& values, Range of_each);
  void operator()(const char* key, std::string& value);
  void operator()(const char* key, std::string& value, const std::vector<std::string>& choices,
                  Decides decides = Decides::numbers);

  template <class Section>
  void section(const char* key, Section& value) {
    enter(key);
    describe(*this, value);
    leave();
  }

  // A list of sections.
  template <class Section>
  void list(const char* key, std::vector<Section>& values) {
    enter(key);
    values.resize(items(values.size()));
    for (size_t i = 0; i < values.size(); ++i) {
      enter(i);
      describe(*this, values[i]);
      leave();
    }
    Section defaults;
    enter_defaults();
    describe(*this, defaults);
    leave();
    leave();
  }

  // What a range cannot say, because it concerns two keys. The message is "<key> <reason>".
  void require(bool holds, const char* key, const std::string& reason) const;

 private:
  friend struct ConfigFile;
  using Json = nlohmann::json;
  enum class Mode { write, read };
  Keys(Mode mode, Json& root, const std::string& name);

  template <class T>
  void exchange(const char* key, T& value);
  void note(const char* key, Decides decides);
  std::string full(const std::string& key) const;
  void check_range(const char* key, double value, Range range) const;
  void enter(const char* key);
  void enter(size_t item);
  void
  enter_defaults();  // the keys of a list's items, whatever their number: what a given item is compared with
  size_t items(size_t count);
  void leave();

  Mode mode_;
  std::string name_;  // of the file, for messages
  // What --set set, and what a message calls that.
  std::vector<std::pair<std::string, std::string>> assigned_;
  std::vector<Json*> path_;  // what encloses the section that is described, and at the end that section
  std::vector<std::string> prefix_;                        // their names
  std::shared_ptr<std::map<std::string, Json>> defaults_;  // of a list's items, by the list's name
  std::set<std::string> nothing_;  // the keys that were met which decide no more than that
  Changeable changeable_;
};

// What the functions below do for every struct alike.
struct ConfigFile {
  using Describe = std::function<void(Keys&)>;
  static void read(const Describe& target, const std::string& text, const std::string& name,
                   const std::vector<std::string>& assignments);
  static std::string write(const Describe& values);
  static std::string write_essential(const Describe& values, const Describe& defaults);
  static Changeable changeable_keys(const Describe& values);
};

// A config file and what --set changes in it.
struct ConfigSource {
  std::string path;
  std::vector<std::string> assignments;  // "section.key=value"
};

// The file's text. InputError names the file.
std::string read_config_text(const std::string& path);

// Reads `text` over the defaults, then the assignments. InputError names `name` (the file) or the assignment, the key,
// and the nearest key that exists.
template <class Config>
Config parse_config(const std::string& text, const std::string& name,
                    const std::vector<std::string>& assignments = {}) {
  Config config;
  ConfigFile::read([&](Keys& keys) { describe(keys, config); }, text, name, assignments);
  return config;
}
template <class Config>
Config read_config(const ConfigSource& source) {
  return parse_config<Config>(read_config_text(source.path), source.path, source.assignments);
}

// The text that the top-level key `key` of a config has, or `otherwise`, and who says so (the file, or a --set): for
// callers that do not know the struct yet.
struct Peeked {
  std::string value, source;
};
Peeked peek_config(const std::string& text, const std::string& name,
                   const std::vector<std::string>& assignments, const std::string& key,
                   const std::string& otherwise);

// All keys with their values, as JSON in a fixed order.
template <class Config>
std::string json_of(const Config& config) {
  Config copy = config;
  return ConfigFile::write([&](Keys& keys) { describe(keys, copy); });
}

// The same, with the keys that decide nothing at their defaults: what decides the numbers of a run.
template <class Config>
std::string essential_json_of(const Config& config) {
  Config copy = config, defaults;
  return ConfigFile::write_essential([&](Keys& keys) { describe(keys, copy); },
                                     [&](Keys& keys) { describe(keys, defaults); });
}

// What a resumed run may have otherwise than `config`; keys stand as "section.key".
template <class Config>
Changeable changeable_keys(const Config& config) {
  Config copy = config;
  return ConfigFile::changeable_keys([&](Keys& keys) { describe(keys, copy); });
}

// The first difference between two essential configs, as "key: a, now b"; empty if there is none. What `may` allows is
// none.
std::string first_difference(const std::string& before, const std::string& after, const Changeable& may = {});

}  // namespace saccade
