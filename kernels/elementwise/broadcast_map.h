// y[o,r,i] = f(x[o,r,i], b[o,i]) over the shapes of broadcast.h. Additions and products that broadcast use
// it, and so does the gradient of a sum, which has no x: x may be null, and f then receives 0.
#pragma once

#include "kernels/common/launch.h"
#include "kernels/common/vector.h"
#include "kernels/elementwise/broadcast.h"

namespace saccade {
inline namespace SACCADE_TARGET {

namespace broadcast_detail {

constexpr unsigned kThreads = 256;
constexpr int kInFlight = 4;  // vectors that a thread loads before it uses the first

// Sizes in vectors of V elements, in 32 bits because a thread divides by them.
struct Sizes {
  uint32_t vectors;   // in all
  uint32_t across;    // in an inner dimension; 1 where V elements share one b
  uint32_t repeated;  // rows of `across` vectors that share their b
  bool shared;        // b has one element for `repeated` vectors, not V for each
};

template <class T, int V, class F>
__global__ void __launch_bounds__(kThreads)
    broadcast_kernel(Sizes s, int64_t count, const T* x, const T* __restrict__ b, T* y, F f) {  // y may be x
  const uint32_t first = blockIdx.x * kInFlight * kThreads + threadIdx.x;
  Pack<T, V> in[kInFlight] = {};
#pragma unroll
  for (int u = 0; u < kInFlight; ++u) {
    const uint32_t vector = first + u * kThreads;
    if (x != nullptr && vector < s.vectors)
      in[u] = load<V * sizeof(T), Use::once>(x + static_cast<int64_t>(vector) * V);
  }
#pragma unroll
  for (int u = 0; u < kInFlight; ++u) {
    const uint32_t vector = first + u * kThreads;
    if (vector >= s.vectors) continue;
    Pack<float, V> other, out;
    if (s.shared) {
      const float value = static_cast<float>(b[vector / s.repeated]);
#pragma unroll
      for (int i = 0; i < V; ++i) other.lane[i] = value;
    } else {
      const uint32_t row = vector / s.across, column = vector - row * s.across;
      const int64_t at = static_cast<int64_t>(row / s.repeated) * s.across + column;
      other = to_f32(load<V * sizeof(T)>(b + at * V));
    }
#pragma unroll
    for (int i = 0; i < V; ++i) out.lane[i] = f(static_cast<float>(in[u].lane[i]), other.lane[i]);
    store<V * sizeof(T)>(y + static_cast<int64_t>(vector) * V, from_f32<T>(out));
  }
  if constexpr (V > 1) {  // after the last whole vector; there are such elements only where all share one b
    const int64_t at = static_cast<int64_t>(s.vectors) * V + threadIdx.x;
    if (blockIdx.x == 0 && at < count)
      y[at] = static_cast<T>(f(x != nullptr ? static_cast<float>(x[at]) : 0.0f, static_cast<float>(b[0])));
  }
}

template <class T, int V, class F>
void run(Context& context, const BroadcastShape& s, const T* x, const T* b, T* y, const F& f) {
  const int64_t count = s.count(), vectors = count / V;
  constexpr int64_t kPerBlock = kInFlight * static_cast<int64_t>(kThreads);
  check(vectors < int64_t{0xffffffff} - kPerBlock, "a broadcast over ", count,
        " elements is too large for one launch");
  const bool shared = s.inner == 1;
  // The vectors that share a b: all of them where there is one b.
  const int64_t repeated = !shared        ? s.repeated
                           : s.outer == 1 ? std::max<int64_t>(1, vectors)
                                          : s.repeated / V;
  const Sizes sizes{static_cast<uint32_t>(vectors), static_cast<uint32_t>(shared ? 1 : s.inner / V),
                    static_cast<uint32_t>(repeated), shared};
  launch(broadcast_kernel<T, V, F>, std::max(1u, blocks_for(vectors, kPerBlock)), kThreads, 0,
         context.stream(), sizes, count, x, b, y, f);
}

}  // namespace broadcast_detail

template <class T, class F>
void map_broadcast(Context& context, const BroadcastShape& s, const T* x, const T* b, T* y, const F& f) {
  check_element<T>(context);
  if (s.count() == 0) return;
  constexpr int kPerVector = kVector<T, true>;
  const bool shared = s.inner == 1;
  const bool fits =
      shared ? s.outer == 1 || s.repeated % kPerVector == 0 : s.inner % kPerVector == 0 && aligned(b, 16);
  if (fits && aligned(x, 16) && aligned(y, 16))
    broadcast_detail::run<T, kPerVector>(context, s, x, b, y, f);
  else
    broadcast_detail::run<T, 1>(context, s, x, b, y, f);
}

}  // namespace SACCADE_TARGET
}  // namespace saccade
