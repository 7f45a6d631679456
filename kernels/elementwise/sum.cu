#include "kernels/elementwise/sum.h"

#include <algorithm>

#include "kernels/common/columns.h"
#include "kernels/elementwise/broadcast_map.h"
#include "kernels/elementwise/sum.plain.h"

namespace saccade {

namespace {

// Two stages. The first cuts the reduced dimension into parts and leaves a float for each part; the second adds the
// parts. Where one part is enough, the first stage writes the result. The number of parts, and with it the order of
// every sum, follows from the shape, and from whether vectors fit.

constexpr int kThreads = 256;
constexpr int64_t kBlocks = 1024;   // enough to fill the largest chips, few enough to join
constexpr int64_t kLeastSteps = 8;  // vectors that a thread adds before a further part is worth its stage

// The terms of sums: x, or the products x * other where `other` is not null. at<V>(i, factor(sum)) gives the terms of V
// elements from number i on; factor<F>(sum) is what all terms of a sum need, for F neighboring sums.
template <class T>
struct SumTerms {
  const T* __restrict__ x;
  const T* __restrict__ other;

  template <int F>
  __device__ __forceinline__ Pack<float, F> factor(int64_t) const {
    return {};
  }
  template <int V, int F>
  __device__ __forceinline__ Pack<float, V> at(int64_t i, const Pack<float, F>&) const {
    Pack<float, V> term = to_f32(load<V * sizeof(T), Use::once>(x + i));
    if (other == nullptr) return term;
    const Pack<float, V> more = to_f32(load<V * sizeof(T), Use::once>(other + i));
#pragma unroll
    for (int v = 0; v < V; ++v) term.lane[v] *= more.lane[v];
    return term;
  }
};

// The terms of the gradient of b, grad_y * a. The gradient of a, grad_y * b, is written on the way, so
// grad_y is read once.
template <class T>
struct GradientTerms {
  const T* __restrict__ grad_y;
  const T* __restrict__ a;
  const T* __restrict__ b;
  T* __restrict__ grad_a;

  template <int F>
  __device__ __forceinline__ Pack<float, F> factor(int64_t sum) const {
    return to_f32(load<F * sizeof(T)>(b + sum));
  }
  template <int V, int F>
  __device__ __forceinline__ Pack<float, V> at(int64_t i, const Pack<float, F>& factor) const {
    Pack<float, V> term = to_f32(load<V * sizeof(T), Use::once>(grad_y + i)), gradient;
    const Pack<float, V> other = to_f32(load<V * sizeof(T), Use::once>(a + i));
#pragma unroll
    for (int v = 0; v < V; ++v) {
      gradient.lane[v] = term.lane[v] * factor.lane[F == 1 ? 0 : v];
      term.lane[v] *= other.lane[v];
    }
    store<V * sizeof(T)>(grad_a + i, from_f32<T>(gradient));
    return term;
  }
};

// Where sum number `at` goes: into `partial`, or, scaled, into y where there is no second stage.
template <class Y>
struct Result {
  float* partial;
  Y* y;
  float scale;

  __device__ __forceinline__ void write(int64_t at, float sum) const {
    if (partial != nullptr)
      partial[at] = sum;
    else
      y[at] = static_cast<Y>(scale * sum);
  }
};

struct Parts {
  int64_t reduced, length;  // elements (rows where inner > 1) in all, and of one part
  uint32_t count;
};

// inner = 1: `Lanes` threads add one part of one row, and a block takes kThreads / Lanes parts.
template <class Terms, class Y, int V, unsigned Lanes>
__global__ void __launch_bounds__(kThreads)
    sum_along(int64_t rows, Parts parts, Terms terms, Result<Y> result) {
  const int64_t task = static_cast<int64_t>(blockIdx.x) * (kThreads / Lanes) + threadIdx.y;
  if (task >= rows * parts.count) return;  // a whole warp, or a whole block
  const int64_t row = task / parts.count, part = task - row * parts.count;
  const int64_t begin = part * parts.length;
  const int64_t end = begin + parts.length < parts.reduced ? begin + parts.length : parts.reduced;
  const int64_t whole = begin + (end - begin) / V * V, start = row * parts.reduced;
  const Pack<float, 1> factor = terms.template factor<1>(row);
  Pack<float, V> sums = {};
#pragma unroll 4
  for (int64_t at = begin + threadIdx.x * V; at < whole; at += Lanes * V) {
    const Pack<float, V> term = terms.template at<V>(start + at, factor);
#pragma unroll
    for (int v = 0; v < V; ++v) sums.lane[v] += term.lane[v];
  }
  float sum = 0;
#pragma unroll
  for (int v = 0; v < V; ++v) sum += sums.lane[v];
  if (V > 1 && whole + threadIdx.x < end)
    sum += terms.template at<1>(start + whole + threadIdx.x, factor).lane[0];
  if constexpr (Lanes == kWarp)
    sum = warp_reduce(sum, Add());
  else
    sum = block_reduce<Lanes>(sum, Add());
  if (threadIdx.x == 0) result.write(task, sum);
}

// inner > 1: the first stage of kernels/common/columns.h.
template <class Terms, class Y, int V>
__global__ void __launch_bounds__(kThreads)
    sum_down(uint32_t inner, Parts parts, Terms terms, Result<Y> result) {
  alignas(16) __shared__ float sums[V * kThreads];
  const uint32_t column = (blockIdx.y * blockDim.x + threadIdx.x) * V;
  const uint32_t outer = blockIdx.x / parts.count, part = blockIdx.x - outer * parts.count;
  Pack<float, V> sum = {};
  if (column < inner) {
    const int64_t begin = part * parts.length;
    const int64_t end = begin + parts.length < parts.reduced ? begin + parts.length : parts.reduced;
    const int64_t start = outer * parts.reduced * inner + column;
    const Pack<float, V> factor = terms.template factor<V>(static_cast<int64_t>(outer) * inner + column);
#pragma unroll 4
    for (int64_t row = begin + threadIdx.y; row < end; row += blockDim.y) {
      const Pack<float, V> term = terms.template at<V>(start + row * inner, factor);
#pragma unroll
      for (int v = 0; v < V; ++v) sum.lane[v] += term.lane[v];
    }
  }
  put_columns(sums, sum);
  __syncthreads();
  if (!owns_channel<V>(inner)) return;
  result.write(static_cast<int64_t>(blockIdx.x) * inner + own_channel<V>(), column_sum<V>(sums));
}

struct Shape3 {
  int64_t outer, reduced, inner;
};

// About `wanted` parts, each a multiple of `step` and long enough to be worth its stage.
Parts parts_of(int64_t reduced, int64_t step, int64_t wanted) {
  const int64_t steps = (reduced + step - 1) / step;
  const int64_t most = std::max<int64_t>(1, steps / kLeastSteps);
  const int64_t count = std::clamp<int64_t>(wanted, 1, most);
  const int64_t length = std::max<int64_t>(1, (steps + count - 1) / count) * step;
  return {reduced, length, static_cast<uint32_t>(std::max<int64_t>(1, (reduced + length - 1) / length))};
}

template <int V, class Terms, class Y>
void run_along(Context& context, const Shape3& s, const Parts& parts, const Terms& terms,
               const Result<Y>& result) {
  const int64_t tasks = s.outer * parts.count;
  if (parts.length <= 32 * static_cast<int64_t>(kWarp) * V)  // a warp is enough for a short part
    launch(sum_along<Terms, Y, V, kWarp>, blocks_for(tasks, kThreads / kWarp), dim3(kWarp, kThreads / kWarp),
           0, context.stream(), s.outer, parts, terms, result);
  else
    launch(sum_along<Terms, Y, V, kThreads>, blocks_for(tasks, 1), dim3(kThreads), 0, context.stream(),
           s.outer, parts, terms, result);
}

template <int V, class Terms, class Y>
void run_down(Context& context, const Shape3& s, const Parts& parts, const Terms& terms,
              const Result<Y>& result) {
  const ColumnTile tile(s.inner / V, kThreads);
  launch(sum_down<Terms, Y, V>, {blocks_for(s.outer * parts.count, 1), tile.tiles}, tile.block(), 0,
         context.stream(), s.inner, parts, terms, result);
}

// The second stage: y = scale * the sum over the parts, the `reduced` dimension of s.
template <class Y>
void join(Context& context, const Shape3& s, const float* partial, const Result<Y>& result) {
  if (s.inner == 1)
    run_along<1>(context, s, {s.reduced, s.reduced, 1}, SumTerms<float>{partial, nullptr}, result);
  else
    join_parts(context, s.outer, s.inner, s.reduced, partial, result.scale, result.y);
}

template <int V, class Terms, class T>
void reduce(Context& context, const Shape3& s, double scale, const Terms& terms, T* y) {
  const Result<T> result{nullptr, y, static_cast<float>(scale)};
  Parts parts;
  if (s.inner == 1) {
    parts = parts_of(s.reduced, static_cast<int64_t>(kThreads) * V, kBlocks / s.outer);
  } else {
    const ColumnTile tile(s.inner / V, kThreads);
    parts = parts_of(s.reduced, tile.y, kBlocks / (s.outer * tile.tiles));
  }
  const auto run = [&](const Result<T>& to) {
    if (s.inner == 1)
      run_along<V>(context, s, parts, terms, to);
    else
      run_down<V>(context, s, parts, terms, to);
  };
  if (parts.count == 1) return run(result);
  Context::Scratch scratch(context, static_cast<size_t>(s.outer * parts.count * s.inner) * sizeof(float));
  run({scratch.as<float>(), nullptr, 1.0f});
  join(context, {s.outer, parts.count, s.inner}, scratch.as<float>(), result);
}

// Whether each row, or the whole of a single one, is made of 16-byte vectors of T.
template <class T>
bool whole_vectors(const Shape3& s) {
  constexpr int V = kVector<T, true>;
  return s.inner > 1 ? s.inner % V == 0 : s.outer == 1 || s.reduced % V == 0;
}

template <class Terms, class T>
void reduce(Context& context, const Shape3& s, double scale, bool vectorized, const Terms& terms, T* y) {
  vectorized ? reduce<kVector<T, true>>(context, s, scale, terms, y) : reduce<1>(context, s, scale, terms, y);
}

template <class T>
void reduce_on_gpu(Context& context, int64_t outer, int64_t reduced, int64_t inner, double scale, const T* x,
                   const T* other, T* y) {
  check_element<T>(context);
  if (outer * inner == 0) return;
  if (context.kernels == Kernels::plain)
    return each(context, outer * inner, PlainSum<T>{reduced, inner, static_cast<float>(scale), x, other, y});
  const bool vectorized = whole_vectors<T>({outer, reduced, inner}) && aligned(x, 16) && aligned(other, 16);
  reduce(context, {outer, reduced, inner}, scale, vectorized, SumTerms<T>{x, other}, y);
}

struct Scaled {
  float factor;
  __device__ float operator()(float, float grad_y) const { return factor * grad_y; }
};

}  // namespace

template <>
template <class T>
void Sum<kGpu>::forward(Context& context, int64_t outer, int64_t reduced, int64_t inner, double scale,
                        const T* x, T* y) {
  reduce_on_gpu<T>(context, outer, reduced, inner, scale, x, nullptr, y);
}
template void Sum<kGpu>::forward(Context&, int64_t, int64_t, int64_t, double, const float*, float*);
template void Sum<kGpu>::forward(Context&, int64_t, int64_t, int64_t, double, const bf16*, bf16*);

template <>
template <class T>
void Sum<kGpu>::of_products(Context& context, int64_t outer, int64_t reduced, int64_t inner, const T* a,
                            const T* b, T* y) {
  reduce_on_gpu(context, outer, reduced, inner, 1.0, a, b, y);
}
template void Sum<kGpu>::of_products(Context&, int64_t, int64_t, int64_t, const float*, const float*, float*);
template void Sum<kGpu>::of_products(Context&, int64_t, int64_t, int64_t, const bf16*, const bf16*, bf16*);

template <>
template <class T>
void Sum<kGpu>::product_gradients(Context& context, int64_t outer, int64_t reduced, int64_t inner,
                                  const T* grad_y, const T* a, const T* b, T* grad_a, T* grad_b) {
  check_element<T>(context);
  if (outer * inner == 0) return;
  const bool vectorized = whole_vectors<T>({outer, reduced, inner}) && aligned(grad_y, 16) &&
                          aligned(a, 16) && aligned(grad_a, 16) && (inner == 1 || aligned(b, 16));
  reduce(context, {outer, reduced, inner}, 1.0, vectorized, GradientTerms<T>{grad_y, a, b, grad_a}, grad_b);
}
template void Sum<kGpu>::product_gradients(Context&, int64_t, int64_t, int64_t, const float*, const float*,
                                           const float*, float*, float*);
template void Sum<kGpu>::product_gradients(Context&, int64_t, int64_t, int64_t, const bf16*, const bf16*,
                                           const bf16*, bf16*, bf16*);

template <>
template <class T>
void Sum<kGpu>::backward(Context& context, int64_t outer, int64_t reduced, int64_t inner, double scale,
                         const T* grad_y, T* grad_x) {
  map_broadcast<T>(context, {outer, reduced, inner}, nullptr, grad_y, grad_x,
                   Scaled{static_cast<float>(scale)});
}
template void Sum<kGpu>::backward(Context&, int64_t, int64_t, int64_t, double, const float*, float*);
template void Sum<kGpu>::backward(Context&, int64_t, int64_t, int64_t, double, const bf16*, bf16*);

}  // namespace saccade
