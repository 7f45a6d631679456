// The plain kernel of pairwise_distance.h, forward only: a thread for each distance.
#pragma once

#include "kernels/common/each.h"
#include "kernels/metric/pairwise_distance.h"

namespace saccade {
inline namespace SACCADE_TARGET {

template <class T>
struct PlainPairwiseDistance {
  Metric metric;
  int64_t m, dim;
  const T *x, *y;
  T* distance;

  __device__ void operator()(int64_t item) const {
    const T *a = x + item / m * dim, *b = y + item % m * dim;
    float squared = 0, product = 0, a_squared = 0, b_squared = 0;
    for (int64_t k = 0; k < dim; ++k) {
      const float u = static_cast<float>(a[k]), v = static_cast<float>(b[k]);
      squared += (u - v) * (u - v);
      product += u * v;
      a_squared += u * u;
      b_squared += v * v;
    }
    float d = squared;
    if (metric == Metric::euclidean) d = sqrtf(clamped(squared));
    if (metric == Metric::cosine) d = 1.0f - product / clamped(sqrtf(a_squared)) / clamped(sqrtf(b_squared));
    distance[item] = static_cast<T>(d);
  }
  static __device__ float clamped(float value) {
    constexpr float kLeast = static_cast<float>(PairwiseDistance<kGpu>::kClamp);
    return value < kLeast ? kLeast : value;  // a NaN stays
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
