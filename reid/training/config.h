// What a training run is told, as JSON. Every key has a default; a key that does not exist is refused.
#pragma once

#include <string>
#include <vector>

#include "reid/model.h"

namespace saccade {

struct TrainConfig {
  struct Model {
    std::string backbone = "resnet50";  // layers/resnet.h lists them
    int64_t width = 64, last_stride = 1;
    std::string pooling = "average";  // average or gem
    bool neck = true;
    std::string weights;  // a .safetensors or .pth file to start from; empty: random values
  } model;
  struct Data {
    int64_t height = 256, width = 128;
    int64_t identities_per_batch = 16, images_per_identity = 4;  // P and K
    double flip = 0.5, erase = 0.5, jitter = 0;                  // probabilities; jitter: strength
    int64_t pad = 10;                                            // pixels before the random crop
    int64_t workers = 2;
  } data;
  struct Loss {
    double id = 1, triplet = 1, margin = 0.3, smoothing = 0.1;
  } loss;
  struct Optimizer {
    std::string kind = "adam";  // sgd, adam, amsgrad, adamw
    double learning_rate = 3.5e-4, weight_decay = 5e-4, momentum = 0.9;
    double clip = 0;  // largest global gradient norm; 0: no limit
  } optimizer;
  struct Schedule {
    int64_t epochs = 120;
    std::string kind = "step";                   // constant, step, cosine
    std::vector<int64_t> milestones = {40, 70};  // epochs after which the rate is multiplied by gamma
    double gamma = 0.1;
    int64_t warmup_epochs = 10;  // linear from warmup_factor to 1
    double warmup_factor = 0.01;
  } schedule;
  struct Evaluation {
    int64_t every = 40;  // epochs; the last is always evaluated
    int64_t batch = 64;
    std::string metric = "euclidean";  // or cosine
  } evaluation;
  struct Checkpoint {
    int64_t every_epochs = 10, every_steps = 0;  // 0: not by this count
  } checkpoint;
  bool tune =
      false;  // cuda: a convolution's plans are timed at its first use; else the library's first proposal is taken
  bool report = false;  // evaluate before training too, and draw curves.png and ranked.png

  ModelConfig model_config(int64_t identities) const;

  // What decides the numbers of a run: this config, with the settings that only decide its speed at their defaults.
  TrainConfig essential() const {
    TrainConfig copy = *this;
    copy.data.workers = Data().workers;
    return copy;
  }
};

// Reads `path` over the defaults, then the assignments "section.key=value" (from --set). InputError names the file or
// the assignment, the key, and the nearest key that exists.
TrainConfig read_config(const std::string& path, const std::vector<std::string>& assignments);

// The same from text; `name` stands for the file in messages.
TrainConfig parse_config(const std::string& text, const std::string& name,
                         const std::vector<std::string>& assignments = {});

// All keys with their values, in a fixed order.
std::string to_json(const TrainConfig& config);

}  // namespace saccade
