// Differences of two rows, which lose no digits where |x|^2 + |y|^2 - 2 x.y cancels.
#pragma once

#include "kernels/common/reduce.h"
#include "kernels/common/vector.h"

namespace saccade {
inline namespace SACCADE_TARGET {

// sum (x - y)^2 over rows of `dim` elements, a multiple of V.
// All lanes of a warp call it and receive the sum.
template <class T, int V>
__device__ __forceinline__ float squared_difference(uint32_t dim, const T* __restrict__ x,
                                                    const T* __restrict__ y) {
  float sum = 0;
  for (uint32_t k = threadIdx.x % kWarp * V; k < dim; k += kWarp * V) {
    const Pack<float, V> p = to_f32(load<V * sizeof(T)>(x + k)), q = to_f32(load<V * sizeof(T)>(y + k));
#pragma unroll
    for (int e = 0; e < V; ++e) {
      const float difference = p.lane[e] - q.lane[e];
      sum = fmaf(difference, difference, sum);
    }
  }
  return warp_reduce(sum, Add());
}

// sum += weight * (x - y)
template <class T, int V>
__device__ __forceinline__ void pull(float weight, const Pack<float, V>& x, const T* y, Pack<float, V>& sum) {
  const Pack<float, V> other = to_f32(load<V * sizeof(T)>(y));
#pragma unroll
  for (int i = 0; i < V; ++i) sum.lane[i] += weight * (x.lane[i] - other.lane[i]);
}

}  // namespace SACCADE_TARGET
}  // namespace saccade
