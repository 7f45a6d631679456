// The systems that `train`, `evaluate` and `extract` know: one row each.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "reid/run/features.h"
#include "reid/run/run.h"
#include "reid/run/scores.h"

namespace saccade {

struct System {
  std::string name;     // the value of the config's key `system`
  std::string purpose;  // a few words for --help
  std::string data;  // what the folder --data holds, for --help; empty: there is no --data, it learns without

  bool reads_data() const { return !data.empty(); }

  // Trains from a config to an evaluated network; returns the text of result.json.
  std::function<std::string(const RunOptions& options)> train;

  // The network of a checkpoint as features of pictures: for `extract`, and for `evaluate` by retrieval. Empty: the
  // system has none.
  std::function<Embedder(Context& context, const CheckpointSource& source)> open;

  // The same without a training: a network that a config describes, with the weights of any file, whose tensors are
  // found by name. `notice` is told what was found. Empty: the system has none.
  std::function<Embedder(Context& context, const ConfigSource& config, const std::string& weights,
                         const std::function<void(const std::string& line)>& notice)>
      open_weights;

  // Its own scores, where they are not those of retrieval: `data` is a folder, or empty where it reads none. What
  // a system can be asked (a task, a split) are keys of its config, which --set changes. Empty: retrieval with
  // what `open` gives.
  std::function<Scores(Context& context, const CheckpointSource& source, const std::string& data)> evaluate;

  // Its own features of a folder, where they are not those of single pictures. Empty: what `open` gives.
  std::function<NamedFeatures(Context& context, const CheckpointSource& source, const std::string& folder)>
      extract;
};

const std::vector<System>& systems();

// What --data holds, for --help: "<what> (<system>), ...".
std::string data_of_systems();

// InputError names `where` (who asks for it) and the nearest name that exists.
const System& system_named(const std::string& name, const std::string& where);

// The system that a config asks for; without the key `system` it is the baseline.
const System& system_of(const ConfigSource& config);
const System& system_of_checkpoint(const std::string& path);

}  // namespace saccade
