// Images to features.
#pragma once

#include <functional>
#include <vector>

#include "reid/data/dataset.h"
#include "reid/model.h"
#include "reid/training/config.h"

namespace saccade {

struct Features {
  std::vector<float> values;          // [count, size]
  std::vector<int64_t> pids, camids;  // [count]
  int64_t count = 0, size = 0;
};

// The network's retrieval features of `records`, in their order, in eval mode. `done` hears of every batch.
Features extract_features(Context& context, const ReidModel& model, const std::vector<ImageRecord>& records,
                          const TrainConfig& config, const std::function<void(int64_t)>& done = {});

}  // namespace saccade
