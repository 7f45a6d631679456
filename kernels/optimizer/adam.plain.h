// The plain kernels of adam.h: kSpan threads for each span, so that in the spans of cut_span() each parameter
// has its own.
#pragma once

#include "kernels/common/each.h"
#include "kernels/optimizer/adam.h"

namespace saccade {
inline namespace SACCADE_TARGET {

struct PlainAdam {
  const ParameterSpan* spans;
  StepScalars s;
  AdamRule rule;
  const float* grads;
  float *values, *first, *second, *largest;
  bf16* copy;

  __device__ void operator()(int64_t item) const {
    if (is_stopped(s.guard)) return;
    const ParameterSpan span = spans[item / kSpan];
    const float rate = *s.rate * span.rate_scale;
    const float beta1 = static_cast<float>(rule.beta1), rest1 = static_cast<float>(1 - rule.beta1);
    const float beta2 = static_cast<float>(rule.beta2), rest2 = static_cast<float>(1 - rule.beta2);
    const double t = static_cast<double>(*s.step + 1);  // in f32 few digits of 1 - beta^t would be left
    const float correction1 = static_cast<float>(1 - pow(rule.beta1, t));
    const float correction2 = static_cast<float>(1 - pow(rule.beta2, t));
    for (int64_t i = span.offset + item % kSpan; i < span.offset + span.count; i += kSpan) {
      float w = values[i], g = (s.clip ? *s.clip : 1.0f) * grads[i];
      if (rule.decoupled)
        w -= rate * span.weight_decay * w;
      else
        g += span.weight_decay * w;
      const float m = first[i] = beta1 * first[i] + rest1 * g;
      float v = second[i] = beta2 * second[i] + rest2 * g * g;
      if (rule.amsgrad) v = largest[i] = fmaxf(largest[i], v);
      w -= rate * m / correction1 / (sqrtf(v) / sqrtf(correction2) + static_cast<float>(rule.eps));
      values[i] = w;
      if (copy) copy[i] = bf16(w);
    }
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
