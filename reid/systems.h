// The systems that `train`, `evaluate` and `extract` know: one row each.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "reid/run/features.h"
#include "reid/run/run.h"

namespace saccade {

// Scores for programs and for people.
struct Scores {
  nlohmann::ordered_json json;
  std::string table;  // a few lines
};

struct System {
  std::string name;        // the value of the config's key `system`
  std::string purpose;     // a few words for --help
  bool reads_data = true;  // false: there is no --data; it learns without pictures

  // Trains from a config to an evaluated network; returns the text of result.json.
  std::function<std::string(const RunOptions& options)> train;

  // The network of a checkpoint as features of pictures: for `extract`, and for `evaluate` by retrieval. Empty: the
  // system has none.
  std::function<Embedder(Context& context, const std::string& checkpoint)> open;

  // Its own scores, where they are not those of retrieval: `data` is a folder, or empty where it reads none. Empty:
  // retrieval with what `open` gives.
  std::function<Scores(Context& context, const std::string& checkpoint, const std::string& data)> evaluate;
};

const std::vector<System>& systems();

// InputError names `where` (a file) and the nearest name that exists.
const System& system_named(const std::string& name, const std::string& where);

// The system that a config asks for; without the key `system` it is the baseline.
const System& system_of(const ConfigSource& config);
const System& system_of_checkpoint(const std::string& path);

}  // namespace saccade
