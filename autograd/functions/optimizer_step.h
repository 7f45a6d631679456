// The optimizers' kernels as functions of tensors, for the registry: nothing that comes in is changed, what a
// step writes is a copy. Training goes through autograd/optimizer.h, which writes in place.
#pragma once

#include <vector>

#include "autograd/tape.h"
#include "kernels/optimizer/adam.h"
#include "kernels/optimizer/gradient_clip.h"
#include "kernels/optimizer/sgd.h"
#include "kernels/optimizer/step_counter.h"

namespace saccade {

// The table of spans that the kernels read, cut as training cuts them.
// The host makes it, outside of what is recorded.
struct SpanTable {
  // spans i64 [S,2]: offset and count, inside the arena and apart, or InputError. scales [S,2]: of the
  // learning rate; weight decay. Clipping looks at no scale: they may be missing.
  SpanTable(Context&, int64_t parameters, const Tensor& spans, const Tensor& scales = Tensor());

  const ParameterSpan* data() const { return reinterpret_cast<const ParameterSpan*>(bytes.raw()); }

  Tensor bytes;
  int64_t count = 0;  // of the cut spans
};

// What a step reads beside the arenas: the table, and scalars [1], i64 `step` (steps done before) and the
// others in any floating dtype; the kernels' are f32 in every version, and converted here, on the host.
struct StepTables {
  StepTables(Context&, const SpanTable&, const Tensor& rate, const Tensor& clip, const Tensor& guard,
             const Tensor& step);

  StepScalars scalars() const {
    return {rate.data<float>(), step.data<int64_t>(), clip.data<float>(), guard.data<float>()};
  }

  SpanTable spans;
  Tensor rate, clip, guard, step;
};

// values and velocity after the step; all [P]
std::vector<Tensor> sgd_step(Tape& tape, const StepTables& tables, const Tensor& grads, const Tensor& values,
                             const Tensor& velocity, double momentum, bool nesterov);

// values, first, second and largest after the step, all [P]; `largest` is left alone without amsgrad
std::vector<Tensor> adam_step(Tape& tape, const StepTables& tables, const Tensor& grads, const Tensor& values,
                              const Tensor& first, const Tensor& second, const Tensor& largest,
                              const AdamRule& rule);

// f32 [1]: what brings the norm of the gradients in the spans down to `limit`
Tensor clip_factor(Tape& tape, const SpanTable& spans, const Tensor& grads, double limit);

// i64 [1]
Tensor counted_step(Tape& tape, const Tensor& step, const Tensor& guard);

}  // namespace saccade
