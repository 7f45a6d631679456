#include "kernels/optimizer/gradient_clip.h"

namespace saccade {

template <>
template <>
void GradientClip<Device::cpu>::factor(Context&, const ParameterSpan* spans, int64_t span_count, double limit,
                                       const float* grads, float* factor) {
  double squares = 0;  // serial: one order for any number of threads, and bound by memory anyway
  for (const ParameterSpan* span = spans; span < spans + span_count; ++span)
    for (int64_t begin = span->offset; begin < span->offset + span->count; begin += 256) {
      float sum = 0;
      const int64_t end = std::min(begin + 256, span->offset + span->count);
#pragma omp simd reduction(+ : sum)
      for (int64_t i = begin; i < end; ++i) sum += grads[i] * grads[i];
      squares += sum;
    }
  const double norm = std::sqrt(squares);
  *factor = norm > limit && std::isfinite(norm) ? static_cast<float>(limit / norm) : 1.0f;
}

}  // namespace saccade
