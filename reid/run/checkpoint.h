// A checkpoint: one file with everything that decides what the next step of a run computes.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "autograd/learner.h"

namespace saccade {

// Where a run stands. Steps count through the whole run; epochs and batches begin anew in each stage.
struct Place {
  int64_t step = 0;         // steps done
  int64_t stage = 0;        // stages done
  int64_t stage_began = 0;  // `step` at the beginning of the stage
  int64_t epoch = 0;        // epochs done in the stage
  int64_t batch = 0;        // batches done in the epoch
};

// What a checkpoint says beside its tensors. The same run gives the same bytes: nothing here depends on the clock or
// the machine's name.
struct RunState {
  std::string config;  // its essential keys, as JSON
  uint64_t seed = 0;
  Place place;
  int threads = 1;  // compute threads: the order of sums depends on them
  std::string device = "cpu", precision = "f32";
  double best_score = -1;                            // of all that were compared so far
  int64_t best_step = -1;                            // -1: none yet
  std::string training_set;                          // fingerprint of the data; empty without
  std::map<std::string, std::string> tuned;          // Context::tuned
  nlohmann::json values = nlohmann::json::object();  // what Run::keep was given as JSON, by name
};

// True for the names of what a RunState says of itself in the file, which no value may have.
bool is_own_value(const std::string& name);

// What Run::keep was given, by name.
struct Kept {
  std::vector<std::pair<std::string, Learner*>> learners;
  std::vector<std::pair<std::string, Tensor*>> tensors;
  std::vector<std::pair<std::string, nlohmann::json*>> values;
};

// <folder>/checkpoint-<step>.safetensors. A learner called "critic" has its parameters as critic.<parameter> and the
// tensors of its optimizer as optimizer.critic.<state>; the learner called "" has the bare names, which are
// torchvision's. Config and state stand as JSON in the metadata, with a checksum for each learner and tensor. Written
// atomically; then all but the last two and the best are removed. False if the disk cannot be asked to keep it
// (AtomicFile::commit).
bool write_checkpoint(Context& context, const std::string& folder, RunState state, const Kept& kept);

// Steps for which the folder holds a checkpoint, rising.
std::vector<int64_t> list_checkpoints(const std::string& folder);
std::string checkpoint_path(const std::string& folder, int64_t step);

// InputError names the file when it is no checkpoint of ours.
RunState read_run_state(const std::string& path);

// What was kept as JSON under `name`: a count, such as that of the classes. `path` is for the message. InputError if it
// is not there, or no count.
int64_t read_count(const RunState& state, const std::string& name, const std::string& path);

// A checkpoint, and what --set changes in its config.
struct CheckpointSource {
  std::string path;
  std::vector<std::string> assignments;  // "section.key=value"
};

// InputError if the file's tensors are not those of `parameters` in name and shape: known from its header alone, before
// memory is taken for them.
void check_shapes(const std::string& path, const std::string& learner, const ParameterArena& parameters);

// These fill what has the same name in the file. InputError if a tensor is missing, has another shape, or is not what
// was written, by its checksum.
void read_weights_of(Context& context, const std::string& path, const std::string& name, Learner& learner);
void read_learner(Context& context, const std::string& path, const std::string& name, Learner& learner);
void read_tensor(Context& context, const std::string& path, const std::string& name, Tensor& tensor);

}  // namespace saccade
