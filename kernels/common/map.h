// Element by element: y[i] = f(x0[i], x1[i], ...), with each byte moved once. An op is then a struct that
// computes one float from floats (a struct because nvcc takes no host lambda into a kernel):
//
//   struct Relu { __device__ float operator()(float x) const { return x > 0 ? x : 0.0f; } };
//   map(context, count, y, Relu(), x);
//
// map_pair() takes three inputs and writes two outputs: f returns y0[i] and y1[i] as a Pack<float, 2>.
#pragma once

#include "kernels/common/launch.h"
#include "kernels/common/vector.h"

namespace saccade {
inline namespace SACCADE_TARGET {

constexpr unsigned kMapThreads = 256;

template <class T, int N>
struct MapInputs {
  const T* at[N];
};

namespace map_detail {

template <class F>
__device__ __forceinline__ float call(const F& f, const float (&x)[1]) {
  return f(x[0]);
}
template <class F>
__device__ __forceinline__ float call(const F& f, const float (&x)[2]) {
  return f(x[0], x[1]);
}
template <class F>
__device__ __forceinline__ float call(const F& f, const float (&x)[3]) {
  return f(x[0], x[1], x[2]);
}

template <class T, int V, int N, class F>
__device__ __forceinline__ Pack<T, V> apply(const F& f, const Pack<T, V> (&x)[N]) {
  Pack<float, V> y;
#pragma unroll
  for (int i = 0; i < V; ++i) {
    float lane[N];
#pragma unroll
    for (int n = 0; n < N; ++n) lane[n] = static_cast<float>(x[n].lane[i]);
    y.lane[i] = call(f, lane);
  }
  return from_f32<T>(y);
}

// Vectors of each input that a thread loads before it uses the first: at least four loads in all.
template <int N>
constexpr int kInFlight = N == 1 ? 4 : 2;

template <class T, int V, int N, class F>
__global__ void __launch_bounds__(kMapThreads, 3)
    map_kernel(int64_t count, MapInputs<T, N> x, T* y, F f) {  // y may be an input
  constexpr int U = kInFlight<N>;
  const int64_t first = (static_cast<int64_t>(blockIdx.x) * U * kMapThreads + threadIdx.x) * V;
  Pack<T, V> in[U][N];
#pragma unroll
  for (int u = 0; u < U; ++u) {
    const int64_t at = first + u * static_cast<int>(kMapThreads) * V;
    if (at + V > count) continue;
#pragma unroll
    for (int n = 0; n < N; ++n) in[u][n] = load<V * sizeof(T), Use::once>(x.at[n] + at);
  }
#pragma unroll
  for (int u = 0; u < U; ++u) {
    const int64_t at = first + u * static_cast<int>(kMapThreads) * V;
    if (at + V <= count) store<V * sizeof(T)>(y + at, apply(f, in[u]));
  }
  if constexpr (V > 1) {  // the elements after the last whole vector: one for each of the first threads
    const int64_t at = count / V * V + threadIdx.x;
    if (blockIdx.x != 0 || at >= count) return;
    Pack<T, 1> rest[N];
#pragma unroll
    for (int n = 0; n < N; ++n) rest[n].lane[0] = x.at[n][at];
    y[at] = apply(f, rest).lane[0];
  }
}

template <class T, int V, class F>
__device__ __forceinline__ void apply_pair(const F& f, const Pack<T, V> (&x)[3], T* y0, T* y1) {
  Pack<float, V> first, second;
#pragma unroll
  for (int i = 0; i < V; ++i) {
    const Pack<float, 2> both = f(static_cast<float>(x[0].lane[i]), static_cast<float>(x[1].lane[i]),
                                  static_cast<float>(x[2].lane[i]));
    first.lane[i] = both.lane[0];
    second.lane[i] = both.lane[1];
  }
  store<V * sizeof(T)>(y0, from_f32<T>(first));
  store<V * sizeof(T)>(y1, from_f32<T>(second));
}

template <class T, int V, class F>
__global__ void __launch_bounds__(kMapThreads)
    map_pair_kernel(int64_t count, MapInputs<T, 3> x, T* y0, T* y1, F f) {  // y0 and y1 may be inputs
  const auto one = [&]<int N>(int64_t at) {
    Pack<T, N> in[3];
#pragma unroll
    for (int n = 0; n < 3; ++n) in[n] = load<N * sizeof(T), Use::once>(x.at[n] + at);
    apply_pair(f, in, y0 + at, y1 + at);
  };
  const int64_t at = (static_cast<int64_t>(blockIdx.x) * kMapThreads + threadIdx.x) * V;
  if (at + V <= count) one.template operator()<V>(at);
  const int64_t rest = count / V * V + threadIdx.x;  // after the last whole vector
  if (V > 1 && blockIdx.x == 0 && rest < count) one.template operator()<1>(rest);
}

}  // namespace map_detail

// y and the inputs hold `count` elements each; y may be one of them.
template <class T, class F, class... Rest>
void map(Context& context, int64_t count, T* y, const F& f, const T* x, const Rest*... rest) {
  check_element<T>(context);
  constexpr int N = 1 + sizeof...(Rest), kPerVector = kVector<T, true>;
  constexpr int64_t kPerBlock = map_detail::kInFlight<N> * static_cast<int64_t>(kMapThreads);
  const MapInputs<T, N> inputs{{x, rest...}};
  bool vectorized = aligned(y, 16);
  for (const T* p : inputs.at) vectorized = vectorized && aligned(p, 16);
  if (vectorized)
    launch(map_detail::map_kernel<T, kPerVector, N, F>, blocks_for(count, kPerBlock * kPerVector),
           kMapThreads, 0, context.stream(), count, inputs, y, f);
  else
    launch(map_detail::map_kernel<T, 1, N, F>, blocks_for(count, kPerBlock), kMapThreads, 0, context.stream(),
           count, inputs, y, f);
}

template <class T, class F>
void map_pair(Context& context, int64_t count, T* y0, T* y1, const F& f, const T* x0, const T* x1,
              const T* x2) {
  check_element<T>(context);
  constexpr int kPerVector = kVector<T, true>;
  bool vectorized = aligned(y0, 16) && aligned(y1, 16);
  for (const T* p : {x0, x1, x2}) vectorized = vectorized && aligned(p, 16);
  const int64_t a_block = kMapThreads * static_cast<int64_t>(vectorized ? kPerVector : 1);
  launch(vectorized ? map_detail::map_pair_kernel<T, kPerVector, F> : map_detail::map_pair_kernel<T, 1, F>,
         blocks_for(count, a_block), kMapThreads, 0, context.stream(), count, MapInputs<T, 3>{{x0, x1, x2}},
         y0, y1, f);
}

}  // namespace SACCADE_TARGET
}  // namespace saccade
