#pragma once

#include "kernels/optimizer/sgd.h"

namespace saccade {

template <>
template <class T>
void Sgd<Device::reference>::step(Context&, const ParameterSpan* spans, int64_t span_count,
                                  const StepScalars& s, double momentum, bool nesterov, const T* grads,
                                  T* values, T* velocity, bf16* copy) {
  if (is_stopped(s.guard)) return;
  for (const ParameterSpan* span = spans; span < spans + span_count; ++span)
    for (int64_t i = span->offset; i < span->offset + span->count; ++i) {
      const T g = grads[i] * T(s.clip ? *s.clip : 1) + T(span->weight_decay) * values[i];
      velocity[i] = *s.step == 0 ? g : T(momentum) * velocity[i] + g;
      const T direction = nesterov ? g + T(momentum) * velocity[i] : velocity[i];
      values[i] -= T(*s.rate * span->rate_scale) * direction;
      if (copy) copy[i] = bf16(static_cast<float>(values[i]));
    }
}

}  // namespace saccade
