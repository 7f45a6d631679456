// Where a program's network comes from: --checkpoint, or --weights with --config.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "reid/systems.h"

namespace CLI {
class App;
}

namespace saccade {

struct NetworkOptions {
  std::string checkpoint, weights, config, device = "auto", precision = "f32";
  std::vector<std::string> assignments;
  bool flip = false;

  bool given() const { return !checkpoint.empty() || !weights.empty(); }
};

// Adds --checkpoint, --weights, --config, --set, --device, --precision and --flip.
void add_network_options(CLI::App& app, NetworkOptions& options);

// A network that was found, and the device that it runs on.
struct FoundNetwork {
  const System& system;
  std::unique_ptr<Context> context;
  // Its path is empty for --weights: such a network has no scores or features of its own.
  CheckpointSource checkpoint;
  std::function<Embedder()> open;  // InputError if the system gives no features of pictures
};

// Of a run's folder it takes the checkpoint that its result.json names (whose scores that file holds), else the newest:
// the run is not over yet, or was killed. Says on stderr which of them it took, and what of the weights. The options
// must outlive the result. InputError: not exactly one of --checkpoint and --weights, an option without what it needs,
// a device or a precision that this machine lacks, an unknown system.
FoundNetwork find_network(const NetworkOptions& options);

}  // namespace saccade
