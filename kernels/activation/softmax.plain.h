// The plain kernels of softmax.h and log_softmax.h, forward only: each row has a thread, which walks it three times.
#pragma once

#include "kernels/common/each.h"

namespace saccade {
inline namespace SACCADE_TARGET {

template <class T, bool logarithm>
struct PlainSoftmax {
  int64_t columns;
  const T* x;
  T* y;

  __device__ void operator()(int64_t row) const {
    const T* in = x + row * columns;
    T* out = y + row * columns;
    float best = -INFINITY, sum = 0;
    for (int64_t c = 0; c < columns; ++c) best = fmaxf(best, static_cast<float>(in[c]));
    const float shift =
        !logarithm && best == -INFINITY ? 0.0f : best;  // a row of -infinity alone gives zeros, not NaN
    for (int64_t c = 0; c < columns; ++c) sum += expf(static_cast<float>(in[c]) - shift);
    for (int64_t c = 0; c < columns; ++c) {
      const float z = static_cast<float>(in[c]) - shift;
      out[c] = static_cast<T>(logarithm ? z - logf(sum) : sum > 0 ? expf(z) / sum : 0.0f);
    }
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
