// The baseline: a residual network that learns by an ID loss and the batch-hard triplet loss
// (Luo et al., see network.h).
#pragma once

#include <functional>
#include <string>

#include "reid/run/features.h"
#include "reid/run/run.h"

namespace saccade::baseline {

// Trains and leaves in options.out: metrics.jsonl, checkpoints, result.json, and with config.report
// curves.png and ranked.png. Returns the text of result.json.
//
// InputError: data, settings or checkpoint that cannot be used. Error: a loss that is not a number (the op
// that made it is named; the weights before that step are in the last checkpoint), a disk that is full.
std::string train(const RunOptions& options);

// The network of a checkpoint. InputError: a file that is no checkpoint, is damaged, or whose tensors do
// not fit the config.
Embedder open(Context& context, const CheckpointSource& source);

// The network of a config with the weights of a file, which need not come from here. InputError: a file that cannot be
// read, or holds no tensor of the network.
Embedder open_weights(Context& context, const ConfigSource& source, const std::string& weights,
                      const std::function<void(const std::string& line)>& notice);

}  // namespace saccade::baseline
