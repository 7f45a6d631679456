#include "kernels/elementwise/set_all.h"

#include "kernels/common/launch.h"
#include "kernels/common/vector.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;

template <class T, int V>
__global__ void __launch_bounds__(kThreads) set_all(int64_t count, T value, T* __restrict__ y) {
  Pack<T, V> pack;
#pragma unroll
  for (int lane = 0; lane < V; ++lane) pack.lane[lane] = value;
  const int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * V;
  if (at + V <= count) store<V * sizeof(T)>(y + at, pack);
  if constexpr (V > 1) {  // after the last whole vector
    const int64_t rest = count / V * V + threadIdx.x;
    if (blockIdx.x == 0 && rest < count) y[rest] = value;
  }
}

}  // namespace

template <>
template <class T>
void SetAll<kGpu>::to(Context& context, int64_t count, double value, T* y) {
  check_element<T>(context);
  constexpr int kPerVector = kVector<T, true>;
  const T one(static_cast<float>(value));
  if (aligned(y, 16))
    launch(set_all<T, kPerVector>, blocks_for(count, int64_t{kThreads} * kPerVector), kThreads, 0,
           context.stream(), count, one, y);
  else
    launch(set_all<T, 1>, blocks_for(count, kThreads), kThreads, 0, context.stream(), count, one, y);
}
template void SetAll<kGpu>::to(Context&, int64_t, double, float*);
template void SetAll<kGpu>::to(Context&, int64_t, double, bf16*);

}  // namespace saccade
