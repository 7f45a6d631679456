// The plain kernels of sgd.h: kSpan threads for each span, so that in the spans of cut_span() each parameter
// has its own.
#pragma once

#include "kernels/common/each.h"
#include "kernels/optimizer/sgd.h"

namespace saccade {
inline namespace SACCADE_TARGET {

struct PlainSgd {
  const ParameterSpan* spans;
  StepScalars s;
  float momentum;
  bool nesterov;
  const float* grads;
  float *values, *velocity;
  bf16* copy;

  __device__ void operator()(int64_t item) const {
    if (is_stopped(s.guard)) return;
    const ParameterSpan span = spans[item / kSpan];
    for (int64_t i = span.offset + item % kSpan; i < span.offset + span.count; i += kSpan) {
      const float g = (s.clip ? *s.clip : 1.0f) * grads[i] + span.weight_decay * values[i];
      const float v = *s.step == 0 ? g : momentum * velocity[i] + g;
      const float w = values[i] - *s.rate * span.rate_scale * (nesterov ? g + momentum * v : v);
      velocity[i] = v;
      values[i] = w;
      if (copy) copy[i] = bf16(w);
    }
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
