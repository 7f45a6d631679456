// The plain kernels of sum.h, forward only: a thread for each sum.
#pragma once

#include "kernels/common/each.h"
#include "kernels/elementwise/sum.h"

namespace saccade {
inline namespace SACCADE_TARGET {

template <class T>
struct PlainSum {
  int64_t reduced, inner;
  float scale;
  const T *x, *other;  // the terms are x * other, or x where `other` is null
  T* y;

  __device__ void operator()(int64_t item) const {
    const int64_t first = item / inner * reduced * inner + item % inner;
    float sum = 0;
    for (int64_t r = 0; r < reduced; ++r) {
      const float factor = other ? static_cast<float>(other[first + r * inner]) : 1.0f;
      sum += static_cast<float>(x[first + r * inner]) * factor;
    }
    y[item] = static_cast<T>(scale * sum);
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
