#include "reid/systems.h"

#include <algorithm>

#include "kernels/common/text.h"
#include "reid/baseline/baseline.h"

namespace saccade {

namespace {

constexpr const char* kFirst = "baseline";  // what a config without the key means

const System& system_in(const std::string& text, const std::string& where,
                        const std::vector<std::string>& assignments) {
  const Peeked name = peek_config(text, where, assignments, "system", kFirst);
  return system_named(name.value, name.source);
}

}  // namespace

const std::vector<System>& systems() {
  static const std::vector<System> all = {
      {.name = "baseline",
       .purpose = "a residual network with ID and triplet loss",
       .data = "bounding_box_train, query and bounding_box_test, or what VeRi-776 or MSMT17 have instead",
       .train = baseline::train,
       .open = baseline::open,
       .open_weights = baseline::open_weights,
       .evaluate = {},
       .extract = {}},
  };
  return all;
}

std::string data_of_systems() {
  std::string list;
  for (const System& system : systems())
    if (system.reads_data()) list += (list.empty() ? "" : ", ") + system.data + " (" + system.name + ")";
  return list;
}

const System& system_named(const std::string& name, const std::string& where) {
  std::vector<std::string> known;
  for (const System& system : systems()) {
    if (system.name == name) return system;
    known.push_back(system.name);
  }
  throw InputError(concat(where, ": there is no system ", name, "; the nearest is ", nearest(name, known)));
}

const System& system_of(const ConfigSource& config) {
  const std::string text = read_config_text(config.path);
  return system_in(text, config.path, config.assignments);
}

const System& system_of_checkpoint(const std::string& path) {
  return system_in(read_run_state(path).config, path, {});
}

}  // namespace saccade
