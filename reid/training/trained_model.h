// A network out of a checkpoint, ready to use.
#pragma once

#include <memory>
#include <string>

#include "reid/training/features.h"

namespace saccade {

class TrainedModel {
 public:
  // InputError: a file that is no checkpoint, is damaged, or whose tensors do not fit its own config.
  // Computes in f32 unless told otherwise: a checkpoint holds f32 values whatever it was trained in.
  TrainedModel(const std::string& checkpoint, Device device, int device_index = 0,
               Precision precision = Precision::f32);

  Context& context() { return *context_; }
  const ReidModel& model() const { return *model_; }
  const TrainConfig& config() const { return config_; }

 private:
  TrainConfig config_;
  std::unique_ptr<Context> context_;
  ParameterArena arena_;
  std::unique_ptr<ReidModel> model_;
};

}  // namespace saccade
