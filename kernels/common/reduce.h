// Reductions of a warp and of a block. Their order depends on the shape alone, so floats are the same run
// after run. All threads receive the result.
//
//   const float total = block_reduce<kThreads>(sum, Add());
//   const Pack<float, 2> both = warp_reduce(pair, Add());   // lane by lane: one pass for several sums
#pragma once

#include "kernels/common/launch.h"
#include "kernels/common/vector.h"

namespace saccade {
inline namespace SACCADE_TARGET {

struct Add {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a + b;
  }
};

// The greater of two; NaN if either is NaN.
struct Max {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a > b || a != a ? a : b;
  }
};

// The thread's number in its block.
__device__ __forceinline__ unsigned thread_in_block() {
  return (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
}

// Reduces over groups of `Lanes` neighboring lanes (a power of two, at most 32). Every lane of
// the warp must call it. In each step a lane joins its value with that of the lane `step` away:
// both get the same, as a + b is b + a.
template <unsigned Lanes = kWarp, class T, class Join>
__device__ __forceinline__ T warp_reduce(T value, Join join) {
#pragma unroll
  for (unsigned step = Lanes / 2; step > 0; step /= 2)
    value = join(value, __shfl_xor_sync(kAllLanes, value, static_cast<int>(step)));
  return value;
}

template <unsigned Lanes = kWarp, class T, int V, class Join>
__device__ __forceinline__ Pack<T, V> warp_reduce(Pack<T, V> pack, Join join) {
#pragma unroll
  for (int i = 0; i < V; ++i) pack.lane[i] = warp_reduce<Lanes>(pack.lane[i], join);
  return pack;
}

namespace reduce_detail {
template <class T, class Join>
__device__ __forceinline__ T joined(T a, T b, Join join) {
  return join(a, b);
}
template <class T, int V, class Join>
__device__ __forceinline__ Pack<T, V> joined(Pack<T, V> a, const Pack<T, V>& b, Join join) {
#pragma unroll
  for (int i = 0; i < V; ++i) a.lane[i] = join(a.lane[i], b.lane[i]);
  return a;
}
}  // namespace reduce_detail

// Reduces a scalar or a Pack over a block of `Threads` threads (a multiple of 32): each warp, then the warps
// in order. Every thread of the block must call it. The second barrier lets it be called again at once.
template <unsigned Threads, class T, class Join>
__device__ __forceinline__ T block_reduce(T value, Join join) {
  static_assert(Threads % kWarp == 0, "whole warps");
  constexpr unsigned kWarps = Threads / kWarp;
  value = warp_reduce(value, join);
  if constexpr (kWarps == 1) return value;
  __shared__ T totals[kWarps];
  const unsigned thread = thread_in_block();
  if (thread % kWarp == 0) totals[thread / kWarp] = value;
  __syncthreads();
  T total = totals[0];
#pragma unroll
  for (unsigned warp = 1; warp < kWarps; ++warp) total = reduce_detail::joined(total, totals[warp], join);
  __syncthreads();
  return total;
}

}  // namespace SACCADE_TARGET
}  // namespace saccade
