// The optimizers' kernels as functions of tensors, for the registry: nothing that comes in is changed, what a
// step writes is a copy. Training goes through autograd/optimizer.h, which writes in place.
#pragma once

#include <vector>

#include "autograd/tape.h"
#include "kernels/optimizer/optimizer.h"

namespace saccade {

// What every rule needs (kernels/optimizer/optimizer.h). The kernels' scalars and scales are f32 in every
// version.
struct StepInputs {
  Tensor grads, values;      // [P]
  Tensor spans;              // i64 [S,2]: offset and count; inside the arena and apart, or InputError
  Tensor scales;             // [S,2]: of the learning rate; weight decay
  Tensor rate, clip, guard;  // [1]
  Tensor step;               // i64 [1]: steps done before
};

// values and velocity after the step
std::vector<Tensor> sgd_step(Tape& tape, const StepInputs& in, const Tensor& velocity, double momentum,
                             bool nesterov);

// values, first, second and largest after the step; `largest` is left alone without amsgrad
std::vector<Tensor> adam_step(Tape& tape, const StepInputs& in, const Tensor& first, const Tensor& second,
                              const Tensor& largest, const AdamRule& rule);

// f32 [1]: what brings the norm of the gradients in the spans down to `limit`
Tensor clip_factor(Tape& tape, const Tensor& grads, const Tensor& spans, double limit);

// i64 [1]
Tensor counted_step(Tape& tape, const Tensor& step, const Tensor& guard);

}  // namespace saccade
