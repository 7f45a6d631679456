// What a training of the baseline is told.
#pragma once

#include "reid/baseline/network.h"
#include "reid/run/sections.h"

namespace saccade::baseline {

struct Config {
  std::string system = "baseline";
  struct Model {
    std::string backbone = "resnet50";  // layers/resnet.h lists them
    int64_t width = 64, last_stride = 1;
    std::string pooling = "average";  // average or gem
    bool neck = true;
    std::string weights;  // a .safetensors or .pth file to start from; empty: random values
  } model;
  struct Loss {
    double id = 1, triplet = 1, margin = 0.3, smoothing = 0.1;
  } loss;
  DataSection data;
  OptimizerSection optimizer;
  ScheduleSection schedule;
  EvaluationSection evaluation;
  CheckpointSection checkpoint;
  // On cuda a convolution's plans are timed at its first use; else the library's proposal is taken.
  bool tune = false;
  bool exact = false;   // on the CPU 3x3 convolutions are summed directly: Context::exact
  bool report = false;  // evaluate before training too, and draw curves.png and ranked.png

  NetworkConfig network(int64_t identities) const;
};
void describe(Keys& keys, Config& config);

}  // namespace saccade::baseline
