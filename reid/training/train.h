// A training run, from a folder of images to an evaluated network.
#pragma once

#include <functional>
#include <string>

#include "reid/training/config.h"

namespace saccade {

struct TrainOptions {
  TrainConfig config;
  std::string data, out;
  Device device = Device::cpu;
  int device_index = 0;
  std::string precision = "f32";
  uint64_t seed = 0;
  int64_t max_steps = 0;  // 0: as many as the schedule says
  int threads = 0;        // 0: one for each processor; a resumed run takes the number it began with
  bool resume = false;
};

// What a program shows while it waits. All may be empty.
struct TrainObserver {
  std::function<void(const std::string& line)> notice;
  std::function<void(int64_t step, int64_t steps, double loss)> step;
};

// Trains and leaves in options.out: metrics.jsonl, checkpoints, result.json, and with config.report curves.png and
// ranked.png. Returns the text of result.json.
//
// The final bits depend on the data, the config, the seed and the number of compute threads alone: not on the number
// of data workers, and not on how often the run was killed and resumed.
//
// InputError: data or checkpoint that cannot be used, a folder that already holds a run (without resume), or one whose
// run had other settings (with it). Error: a loss that is not a number (the op that made it is named; the weights
// before that step are in the last checkpoint), a disk that is full.
std::string train(const TrainOptions& options, const TrainObserver& observer = {});

}  // namespace saccade
