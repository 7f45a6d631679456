#include "kernels/elementwise/cast.h"

#include "kernels/common/launch.h"
#include "kernels/common/vector.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;
// Elements of a vector: 16 bytes of the f32 side, so that a warp's accesses lie side by side on both sides.
constexpr int kPerVector = 4;
constexpr int kInFlight = 4;  // vectors of a thread

template <int V, bool accumulate, class From, class To>
__device__ __forceinline__ void write(const Pack<From, V>& x, To* y) {
  Pack<float, V> value = to_f32(x);
  if constexpr (accumulate) {
    const Pack<float, V> before = to_f32(load<V * sizeof(To)>(y));
#pragma unroll
    for (int lane = 0; lane < V; ++lane) value.lane[lane] += before.lane[lane];
  }
  store<V * sizeof(To)>(y, from_f32<To>(value));
}

template <int V, bool accumulate, class From, class To>
__global__ void __launch_bounds__(kThreads)
    cast_kernel(int64_t count, const From* __restrict__ x, To* __restrict__ y) {
  const int64_t first = (static_cast<int64_t>(blockIdx.x) * kInFlight * kThreads + threadIdx.x) * V;
  Pack<From, V> in[kInFlight];
#pragma unroll
  for (int u = 0; u < kInFlight; ++u) {
    const int64_t at = first + u * kThreads * V;
    if (at + V <= count) in[u] = load<V * sizeof(From), Use::once>(x + at);
  }
#pragma unroll
  for (int u = 0; u < kInFlight; ++u) {
    const int64_t at = first + u * kThreads * V;
    if (at + V <= count) write<V, accumulate>(in[u], y + at);
  }
  if constexpr (V > 1) {  // after the last whole vector
    const int64_t at = count / V * V + threadIdx.x;
    if (blockIdx.x == 0 && at < count) write<1, accumulate>(load<sizeof(From)>(x + at), y + at);
  }
}

template <bool accumulate, class From, class To>
void run(Context& context, int64_t count, const From* x, To* y) {
  check_element<bf16>(context);
  constexpr int64_t kPerBlock = int64_t{kInFlight} * kThreads;
  if (aligned(x, kPerVector * sizeof(From)) && aligned(y, kPerVector * sizeof(To)))
    launch(cast_kernel<kPerVector, accumulate, From, To>, blocks_for(count, kPerBlock * kPerVector), kThreads,
           0, context.stream(), count, x, y);
  else
    launch(cast_kernel<1, accumulate, From, To>, blocks_for(count, kPerBlock), kThreads, 0, context.stream(),
           count, x, y);
}

}  // namespace

template <>
template <>
void Cast<kGpu>::convert(Context& context, int64_t count, const bf16* x, float* y) {
  run<false>(context, count, x, y);
}
template <>
template <>
void Cast<kGpu>::convert(Context& context, int64_t count, const float* x, bf16* y) {
  run<false>(context, count, x, y);
}
template <>
template <>
void Cast<kGpu>::accumulate(Context& context, int64_t count, const bf16* x, float* y) {
  run<true>(context, count, x, y);
}

}  // namespace saccade
