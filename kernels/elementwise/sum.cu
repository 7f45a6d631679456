#include "kernels/elementwise/sum.h"

#include <algorithm>

#include "kernels/common/reduce.h"
#include "kernels/elementwise/broadcast_map.h"
#include "kernels/elementwise/sum.plain.h"

namespace saccade {

namespace {

// Two stages. The first cuts the reduced dimension into parts and leaves a float for each part; the second
// sums the parts with the same kernels. Where one part is enough the first writes the result. The number of
// parts, and with it the order of every sum, follows from the shape (and from whether vectors fit).

constexpr int kThreads = 256;
constexpr int64_t kBlocks = 1024;   // enough to fill the largest chips, few enough to sum
constexpr int64_t kLeastSteps = 8;  // vectors that a thread sums before a further part is worth its stage

// The terms are x, or products x * other where `other` is there.
template <class T>
struct Terms {
  const T* __restrict__ x;
  const T* __restrict__ other;

  template <int V>
  __device__ __forceinline__ Pack<float, V> at(int64_t i) const {
    Pack<float, V> term = widen(load<V * sizeof(T), Use::once>(x + i));
    if (other == nullptr) return term;
    const Pack<float, V> factor = widen(load<V * sizeof(T), Use::once>(other + i));
#pragma unroll
    for (int v = 0; v < V; ++v) term.lane[v] *= factor.lane[v];
    return term;
  }
};

// Where sum number `at` goes: into `partial`, or, scaled, into y where there is only one part.
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
  int64_t reduced, length;  // elements (rows where inner > 1) in all and of a part
  uint32_t count;
};

// inner = 1: `Lanes` threads sum one part of one row. kThreads / Lanes of them a block.
template <class T, class Y, int V, unsigned Lanes>
__global__ void __launch_bounds__(kThreads)
    sum_along(int64_t rows, Parts parts, Terms<T> terms, Result<Y> result) {
  const int64_t task = static_cast<int64_t>(blockIdx.x) * (kThreads / Lanes) + threadIdx.y;
  if (task >= rows * parts.count) return;  // a whole warp, or a whole block
  const int64_t row = task / parts.count, part = task - row * parts.count;
  const int64_t begin = part * parts.length;
  const int64_t end = begin + parts.length < parts.reduced ? begin + parts.length : parts.reduced;
  const int64_t whole = begin + (end - begin) / V * V, start = row * parts.reduced;
  Pack<float, V> sums = {};
#pragma unroll 4
  for (int64_t at = begin + threadIdx.x * V; at < whole; at += Lanes * V) {
    const Pack<float, V> term = terms.template at<V>(start + at);
#pragma unroll
    for (int v = 0; v < V; ++v) sums.lane[v] += term.lane[v];
  }
  float sum = 0;
#pragma unroll
  for (int v = 0; v < V; ++v) sum += sums.lane[v];
  if (V > 1 && whole + threadIdx.x < end) sum += terms.template at<1>(start + whole + threadIdx.x).lane[0];
  if constexpr (Lanes == kWarp)
    sum = warp_reduce(sum, Add());
  else
    sum = block_reduce<Lanes>(sum, Add());
  if (threadIdx.x == 0) result.write(task, sum);
}

// inner > 1: a block is a tile of blockDim.x vectors of columns and blockDim.y rows; a thread keeps its
// columns and walks down the rows of its part.
template <class T, class Y, int V>
__global__ void __launch_bounds__(kThreads)
    sum_down(uint32_t inner, Parts parts, Terms<T> terms, Result<Y> result) {
  __shared__ float totals[V * kThreads];
  const uint32_t column = (blockIdx.y * blockDim.x + threadIdx.x) * V;
  const bool inside = column < inner;
  const uint32_t outer = blockIdx.x / parts.count, part = blockIdx.x - outer * parts.count;
  Pack<float, V> sums = {};
  if (inside) {
    const int64_t begin = part * parts.length;
    const int64_t end = begin + parts.length < parts.reduced ? begin + parts.length : parts.reduced;
    const int64_t start = outer * parts.reduced * inner + column;
#pragma unroll 4
    for (int64_t row = begin + threadIdx.y; row < end; row += blockDim.y) {
      const Pack<float, V> term = terms.template at<V>(start + row * inner);
#pragma unroll
      for (int v = 0; v < V; ++v) sums.lane[v] += term.lane[v];
    }
  }
  const uint32_t thread = threadIdx.y * blockDim.x + threadIdx.x;
#pragma unroll
  for (int v = 0; v < V; ++v) totals[v * kThreads + thread] = sums.lane[v];
  __syncthreads();
  if (threadIdx.y != 0 || !inside) return;
#pragma unroll
  for (int v = 0; v < V; ++v) {
    float total = 0;
    for (uint32_t y = 0; y < blockDim.y; ++y) total += totals[v * kThreads + y * blockDim.x + threadIdx.x];
    result.write(static_cast<int64_t>(blockIdx.x) * inner + column + v, total);
  }
}

struct Shape3 {
  int64_t outer, reduced, inner;
};

// Parts of whole multiples of `step`, about `wanted` of them, each worth its while.
Parts parts_of(int64_t reduced, int64_t step, int64_t wanted) {
  const int64_t steps = (reduced + step - 1) / step;
  const int64_t most = std::max<int64_t>(1, steps / kLeastSteps);
  const int64_t count = std::clamp<int64_t>(wanted, 1, most);
  const int64_t length = std::max<int64_t>(1, (steps + count - 1) / count) * step;
  return {reduced, length, static_cast<uint32_t>(std::max<int64_t>(1, (reduced + length - 1) / length))};
}

template <class T, class Y, int V>
void run_along(Context& context, const Shape3& s, const Parts& parts, const Terms<T>& terms,
               const Result<Y>& result) {
  const int64_t tasks = s.outer * parts.count;
  if (parts.length <= 32 * static_cast<int64_t>(kWarp) * V)  // short: a warp is enough
    launch(sum_along<T, Y, V, kWarp>, blocks_for(tasks, kThreads / kWarp), dim3(kWarp, kThreads / kWarp), 0,
           context.stream(), s.outer, parts, terms, result);
  else
    launch(sum_along<T, Y, V, kThreads>, blocks_for(tasks, 1), dim3(kThreads), 0, context.stream(), s.outer,
           parts, terms, result);
}

// The tile of sum_down: up to a warp's vectors side by side.
struct Tile {
  unsigned x = 1, y;
  int64_t tiles;

  explicit Tile(int64_t vectors) {
    while (x < kWarp && x < vectors) x *= 2;
    y = kThreads / x;
    tiles = (vectors + x - 1) / x;
    check(tiles < 65536, "sum: ", vectors, " vectors of columns are too many for one launch");
  }
};

template <class T, class Y, int V>
void run_down(Context& context, const Shape3& s, const Parts& parts, const Terms<T>& terms,
              const Result<Y>& result) {
  const Tile tile(s.inner / V);
  launch(sum_down<T, Y, V>, {blocks_for(s.outer * parts.count, 1), static_cast<unsigned>(tile.tiles)},
         dim3(tile.x, tile.y), 0, context.stream(), s.inner, parts, terms, result);
}

// The second stage: y = scale * sum over the parts.
template <class Y>
void join(Context& context, const Shape3& s, const float* partial, const Result<Y>& result) {
  const Parts all{s.reduced, s.reduced, 1};
  const Terms<float> terms{partial, nullptr};
  if (s.inner == 1)
    run_along<float, Y, 1>(context, s, all, terms, result);
  else
    run_down<float, Y, 1>(context, s, all, terms, result);
}

template <class T, int V>
void reduce(Context& context, const Shape3& s, double scale, const Terms<T>& terms, T* y) {
  const Result<T> result{nullptr, y, static_cast<float>(scale)};
  Parts parts;
  if (s.inner == 1) {
    parts = parts_of(s.reduced, static_cast<int64_t>(kThreads) * V, kBlocks / s.outer);
  } else {
    const Tile tile(s.inner / V);
    parts = parts_of(s.reduced, tile.y, kBlocks / (s.outer * tile.tiles));
  }
  const auto run = [&](const Result<T>& to) {
    if (s.inner == 1)
      run_along<T, T, V>(context, s, parts, terms, to);
    else
      run_down<T, T, V>(context, s, parts, terms, to);
  };
  if (parts.count == 1) return run(result);
  Context::Scratch scratch(context, static_cast<size_t>(s.outer * parts.count * s.inner) * sizeof(float));
  run({scratch.as<float>(), nullptr, 1.0f});
  join(context, {s.outer, parts.count, s.inner}, scratch.as<float>(), result);
}

template <class T>
void reduce_on_gpu(Context& context, int64_t outer, int64_t reduced, int64_t inner, double scale, const T* x,
                   const T* other, T* y) {
  check_element<T>(context);
  if (outer * inner == 0) return;
  if (context.kernels == Kernels::plain)
    return each(context, outer * inner, PlainSum<T>{reduced, inner, static_cast<float>(scale), x, other, y});
  constexpr int kWide = kVector<T, true>;
  const bool fits = inner > 1 ? inner % kWide == 0 : outer == 1 || reduced % kWide == 0;
  if (fits && aligned(x, 16) && aligned(other, 16))
    reduce<T, kWide>(context, {outer, reduced, inner}, scale, {x, other}, y);
  else
    reduce<T, 1>(context, {outer, reduced, inner}, scale, {x, other}, y);
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
void Sum<kGpu>::backward(Context& context, int64_t outer, int64_t reduced, int64_t inner, double scale,
                         const T* grad_y, T* grad_x) {
  map_broadcast<T>(context, {outer, reduced, inner}, nullptr, grad_y, grad_x,
                   Scaled{static_cast<float>(scale)});
}
template void Sum<kGpu>::backward(Context&, int64_t, int64_t, int64_t, double, const float*, float*);
template void Sum<kGpu>::backward(Context&, int64_t, int64_t, int64_t, double, const bf16*, bf16*);

}  // namespace saccade
