// The plain kernels of gradient_clip.h: a thread for each span, then one for all.
#pragma once

#include "kernels/common/each.h"
#include "kernels/optimizer/gradient_clip.h"

namespace saccade {
inline namespace SACCADE_TARGET {

struct PlainSquares {
  const ParameterSpan* spans;
  const float* grads;
  double* squares;

  __device__ void operator()(int64_t item) const {
    const ParameterSpan span = spans[item];
    double sum = 0;
    for (int64_t i = span.offset; i < span.offset + span.count; ++i)
      sum += static_cast<double>(grads[i]) * static_cast<double>(grads[i]);
    squares[item] = sum;
  }
};

struct PlainClipFactor {
  int64_t spans;
  const double* squares;
  float limit;
  float* factor;

  __device__ void operator()(int64_t) const {
    double sum = 0;
    for (int64_t span = 0; span < spans; ++span) sum += squares[span];
    const float norm = static_cast<float>(sqrt(sum));
    *factor = norm > limit && is_finite(norm) ? limit / norm : 1.0f;
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
