#pragma once

#include "kernels/optimizer/adam.h"

namespace saccade {

template <>
template <class T>
void Adam<Device::reference>::step(Context&, const ParameterSpan* spans, int64_t span_count,
                                   const StepScalars& s, const AdamRule& rule, const T* grads, T* values,
                                   T* first, T* second, T* largest, bf16* copy) {
  using std::sqrt;
  if (is_stopped(s.guard)) return;
  const double t = static_cast<double>(*s.step + 1);
  const double correction1 = 1 - std::pow(rule.beta1, t), correction2 = 1 - std::pow(rule.beta2, t);
  for (const ParameterSpan* span = spans; span < spans + span_count; ++span)
    for (int64_t i = span->offset; i < span->offset + span->count; ++i) {
      const double rate = static_cast<double>(*s.rate) * span->rate_scale;
      T g = grads[i] * T(s.clip ? *s.clip : 1);
      if (rule.decoupled)
        values[i] *= T(1 - rate * span->weight_decay);
      else
        g += T(span->weight_decay) * values[i];
      first[i] = T(rule.beta1) * first[i] + T(1 - rule.beta1) * g;
      second[i] = T(rule.beta2) * second[i] + T(1 - rule.beta2) * g * g;
      T scale = second[i];
      if (rule.amsgrad) scale = largest[i] = std::max(largest[i], second[i]);
      values[i] -= T(rate / correction1) * first[i] / (sqrt(scale) / T(std::sqrt(correction2)) + T(rule.eps));
      if (copy) copy[i] = bf16(static_cast<float>(values[i]));
    }
}

}  // namespace saccade
