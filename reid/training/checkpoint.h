// A training run on disk: everything that decides what the next step computes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "autograd/learner.h"
#include "layers/weights.h"
#include "reid/training/config.h"

namespace saccade {

// Beside the tensors. The same run gives the same bytes: nothing here depends on the clock or the machine's name.
struct RunState {
  TrainConfig config;
  uint64_t seed = 0;
  int64_t identities = 0;  // classes of the training set
  int64_t step = 0;        // optimizer steps done
  int64_t epoch = 0;       // epochs done
  int64_t batch = 0;       // batches done of the epoch that runs
  int threads = 1;         // compute threads: the order of sums depends on them
  std::string device = "cpu", precision = "f32";
  double best_map = -1;  // of all evaluations so far
  int64_t best_step = -1;
  std::string training_set;                  // how many pictures it is, and a checksum of their names
  std::map<std::string, std::string> tuned;  // Context::tuned
  std::string before;  // evaluation before training, as JSON; empty without config.report
};

// <folder>/checkpoint-<step>.safetensors: weights under their torchvision names, optimizer.<state> flat, and the state
// as JSON in the metadata. Written atomically; then all but the last two and the best are removed.
std::string write_checkpoint(Context& context, const std::string& folder, const RunState& state,
                             const ParameterArena& arena, const Learner& optimizer);

// Steps for which the folder holds a checkpoint, rising.
std::vector<int64_t> list_checkpoints(const std::string& folder);
std::string checkpoint_path(const std::string& folder, int64_t step);

// InputError names the file when it is no checkpoint of ours.
RunState read_run_state(const std::string& path);

// InputError if the file's tensors are not those of the arena in name and shape: known from its header alone, before memory
// is taken for them.
void check_shapes(const std::string& path, const ParameterArena& arena);

// Fills arena and optimizer (null: weights alone). InputError if a tensor is missing, has another shape, or is not what was
// written, by its checksum.
void read_checkpoint(Context& context, const std::string& path, ParameterArena& arena, Learner* optimizer);

}  // namespace saccade
