#include "reid/training/trained_model.h"

#include "kernels/common/device.h"
#include "reid/training/checkpoint.h"

namespace saccade {

TrainedModel::TrainedModel(const std::string& checkpoint, Device device, int device_index,
                           Precision precision) {
  const RunState state = read_run_state(checkpoint);
  config_ = state.config;
  context_ = std::make_unique<Context>(device, device_index);
  std::string reason;
  check_input(has_precision(*context_, precision, &reason), "--precision ", name_of(precision), ": ", reason);
  context_->precision = precision;
  model_ = std::make_unique<ReidModel>(arena_, config_.model_config(state.identities));
  check_shapes(checkpoint, arena_);
  arena_.allocate(*context_, state.seed);
  read_checkpoint(*context_, checkpoint, arena_, nullptr);
}

}  // namespace saccade
