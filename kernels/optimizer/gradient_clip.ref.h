#pragma once

#include "kernels/optimizer/gradient_clip.h"

namespace saccade {

template <>
template <class T>
void GradientClip<Device::reference>::factor(Context&, const ParameterSpan* spans, int64_t span_count,
                                             double limit, const T* grads, float* factor) {
  T squares = T(0);
  for (const ParameterSpan* span = spans; span < spans + span_count; ++span)
    for (int64_t i = span->offset; i < span->offset + span->count; ++i) squares += grads[i] * grads[i];
  const double norm = std::sqrt(static_cast<double>(squares));
  *factor = norm > limit && std::isfinite(norm) ? static_cast<float>(limit / norm) : 1.0f;
}

}  // namespace saccade
