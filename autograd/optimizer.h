// Optimizers over the flat arena of a network.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "autograd/parameter.h"
#include "kernels/optimizer/adam.h"
#include "kernels/optimizer/gradient_clip.h"
#include "kernels/optimizer/sgd.h"
#include "kernels/optimizer/step_counter.h"

namespace saccade {

struct OptimizerConfig {
  enum Kind { sgd, adam, amsgrad, adamw } kind = adam;
  double momentum = 0.9;  // sgd
  bool nesterov = false;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0;
  double clip = 0;  // largest global L2 norm of the gradient; 0: no limit

  // What Parameter::group selects. Group 0 exists always.
  struct Group {
    double rate_scale = 1, decay_scale = 1;
  };
  std::vector<Group> groups = {{}};
};

class Optimizer {
 public:
  // `arena` is allocated already and outlives the optimizer.
  Optimizer(Context& context, ParameterArena& arena, const OptimizerConfig& config);

  // Between segments: writes the device-side scalar.
  void set_learning_rate(Context& context, double rate);

  // One step with the arena's gradients (equations: kernels/optimizer/). Frozen parameters stay. If
  // *guard (device memory, may be null) is not finite nothing changes.
  void step(Context& context, const float* guard = nullptr);

  // Call after parameters were frozen or freed, or moved to another group; between segments, as it uploads the table.
  void update_spans(Context& context, const ParameterArena& arena);

  // Everything that the next step depends on beside parameters and learning rate: what a checkpoint holds.
  std::vector<std::pair<std::string, Tensor>> state() const;

 private:
  OptimizerConfig config_;
  Tensor values_, grads_, copy_;     // the arena's
  Tensor first_, second_, largest_;  // sgd: velocity in first_
  Tensor rate_, clip_, steps_;       // device-side scalars
  Tensor spans_;                     // ParameterSpan [span_count_], as bytes
  int64_t span_count_ = 0;
};

}  // namespace saccade
