#include "kernels/common/launch.h"
#include "kernels/common/reduce.h"
#include "kernels/common/vector.h"
#include "kernels/metric/pairwise_distance.h"
#include "kernels/metric/pairwise_distance.plain.h"

namespace saccade {

namespace {

// Squared distances are summed from their differences, in f32: one instruction more for each pair than a
// matrix product of |x|^2 + |y|^2 - 2 x.y would take, and nothing cancels, however near two points are.

constexpr int kThreads = 256;
// At least so many blocks on a multiprocessor, which leaves the compiler the registers: on its own it spilled
// a few bytes to fit one more.
[[maybe_unused]] constexpr int kBlocksPerSm = 2;
constexpr int kTile = 64;          // rows and columns of a block
constexpr int kOwn = 4;            // of which each thread has 4 x 4
constexpr int kPitch = kTile + 4;  // of a staged row: vectors stay aligned
constexpr int kTerms = 16;         // of the gradient's sum that are staged together

constexpr float kClamp = static_cast<float>(PairwiseDistance<kGpu>::kClamp);

// Coordinates staged together: four vectors of a row.
template <class T, int V>
constexpr int kDepth = V == 1 ? 16 : 4 * V;

// shared[k][row] = x[first_row + row, first + k]; zeros past the ends.
template <class T, int V>
__device__ __forceinline__ void stage(float (*shared)[kPitch], uint32_t rows, uint32_t dim,
                                      const T* __restrict__ x, uint32_t first_row, uint32_t first) {
  constexpr uint32_t kAcross = kDepth<T, V> / V;
#pragma unroll
  for (uint32_t i = threadIdx.x; i < kTile * kAcross; i += kThreads) {
    const uint32_t row = i / kAcross, k = i % kAcross * V;
    Pack<float, V> value = {};
    if (first_row + row < rows && first + k < dim)
      value = widen(load<V * sizeof(T)>(x + static_cast<int64_t>(first_row + row) * dim + first + k));
#pragma unroll
    for (int e = 0; e < V; ++e) shared[k + e][row] = value.lane[e];
  }
}

// A thread's neighbours in a row of `columns`; `whole`: in one access.
template <class T>
__device__ __forceinline__ void write_own(T* row, uint32_t first, uint32_t columns, bool whole,
                                          const Pack<T, kOwn>& values) {
  if (whole) {
    if (first < columns) store<kOwn * sizeof(T)>(row + first, values);
    return;
  }
#pragma unroll
  for (int i = 0; i < kOwn; ++i)
    if (first + i < columns) row[first + i] = values.lane[i];
}

// A block: a tile of distances. The sums of kDepth terms join the totals, which keeps the rounding of long
// sums small.
template <class T, int V, bool kCosine>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    pairwise_distance_forward(bool root, uint32_t n, uint32_t m, uint32_t dim, const T* __restrict__ x,
                              const T* __restrict__ y, const float* __restrict__ x_norms,
                              const float* __restrict__ y_norms, T* __restrict__ distance) {
  alignas(16) __shared__ float left[kDepth<T, V>][kPitch], right[kDepth<T, V>][kPitch];
  const uint32_t first_row = blockIdx.x * kTile, first_column = blockIdx.y * kTile;
  const uint32_t own_row = threadIdx.x / 16 * kOwn, own_column = threadIdx.x % 16 * kOwn;
  float total[kOwn][kOwn] = {};
  for (uint32_t first = 0; first < dim; first += kDepth<T, V>) {
    stage<T, V>(left, n, dim, x, first_row, first);
    stage<T, V>(right, m, dim, y, first_column, first);
    __syncthreads();
    float sum[kOwn][kOwn] = {};
#pragma unroll
    for (int k = 0; k < kDepth<T, V>; ++k) {
      const Pack<float, kOwn> a = load<16>(&left[k][own_row]), b = load<16>(&right[k][own_column]);
#pragma unroll
      for (int i = 0; i < kOwn; ++i)
#pragma unroll
        for (int j = 0; j < kOwn; ++j) {
          const float difference = a.lane[i] - b.lane[j];
          sum[i][j] =
              kCosine ? fmaf(a.lane[i], b.lane[j], sum[i][j]) : fmaf(difference, difference, sum[i][j]);
        }
    }
#pragma unroll
    for (int i = 0; i < kOwn; ++i)
#pragma unroll
      for (int j = 0; j < kOwn; ++j) total[i][j] += sum[i][j];
    __syncthreads();
  }
  const bool whole = m % kOwn == 0 && reinterpret_cast<uintptr_t>(distance) % (kOwn * sizeof(T)) == 0;
#pragma unroll
  for (int i = 0; i < kOwn; ++i) {
    const uint32_t row = first_row + own_row + i, first = first_column + own_column;
    if (row >= n) continue;
    Pack<float, kOwn> d;
#pragma unroll
    for (int j = 0; j < kOwn; ++j) {
      d.lane[j] = total[i][j];
      if (kCosine && first + j < m)
        d.lane[j] = 1.0f - d.lane[j] / x_norms[row] / y_norms[first + j];
      else if (root)
        d.lane[j] = sqrtf(d.lane[j] < kClamp ? kClamp : d.lane[j]);  // a NaN stays
    }
    write_own(distance + static_cast<int64_t>(row) * m, first, m, whole, narrow<T>(d));
  }
}

// norms[r] = max(|x_r|, clamp): a warp a row.
template <class T, int V>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    pairwise_distance_norms(uint32_t rows, uint32_t dim, const T* __restrict__ x, float* __restrict__ norms) {
  const uint32_t row = blockIdx.x * (kThreads / kWarp) + threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  float sum = 0;
  for (uint32_t k = lane * V; row < rows && k < dim; k += kWarp * V) {
    const Pack<float, V> value = widen(load<V * sizeof(T)>(x + static_cast<int64_t>(row) * dim + k));
#pragma unroll
    for (int e = 0; e < V; ++e) sum = fmaf(value.lane[e], value.lane[e], sum);
  }
  const float norm = sqrtf(warp_reduce(sum, Add()));
  if (row < rows && lane == 0) norms[row] = norm < kClamp ? kClamp : norm;  // a NaN stays
}

template <class T>
struct Pairs {
  const T *distance, *grad_distance;
  const float* y_norms;  // of cosine
  Metric metric;
  bool transposed;

  // The factor of x_i - y_j in grad_x, of y_j for cosine.
  __device__ __forceinline__ float weight(uint32_t n, uint32_t m, uint32_t i, uint32_t j) const {
    const int64_t at = transposed ? static_cast<int64_t>(j) * n + i : static_cast<int64_t>(i) * m + j;
    const float grad = static_cast<float>(grad_distance[at]);
    if (metric == Metric::squared) return 2.0f * grad;
    if (metric == Metric::cosine) return -grad / y_norms[j];
    const float d = static_cast<float>(distance[at]),
                least = static_cast<float>(static_cast<T>(sqrtf(kClamp)));
    return d > least ? grad / d : 0.0f;
  }
};

// A block: a tile of grad_x [n, dim], summed over j. Out is f32 for cosine, whose normalisation is still to
// be undone.
template <class T, int V, bool kCosine, class Out>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    pairwise_distance_backward(uint32_t n, uint32_t m, uint32_t dim, const T* __restrict__ x,
                               const T* __restrict__ y, Pairs<T> pairs, Out* __restrict__ grad_x) {
  alignas(16) __shared__ float weights[kTerms][kPitch], others[kTerms][kPitch];
  const uint32_t first_row = blockIdx.x * kTile, first_column = blockIdx.y * kTile;
  const uint32_t own_row = threadIdx.x / 16 * kOwn, own_column = threadIdx.x % 16 * kOwn;
  float own[kOwn][kOwn] = {}, total[kOwn][kOwn] = {};
  if (!kCosine) {
    constexpr int kStep = V < kOwn ? V : kOwn;
#pragma unroll
    for (int i = 0; i < kOwn; ++i)
#pragma unroll
      for (int k = 0; k < kOwn; k += kStep) {
        const uint32_t row = first_row + own_row + i, column = first_column + own_column + k;
        if (row >= n || column >= dim) continue;
        const Pack<float, kStep> part =
            widen(load<kStep * sizeof(T)>(x + static_cast<int64_t>(row) * dim + column));
#pragma unroll
        for (int j = 0; j < kStep; ++j) own[i][k + j] = part.lane[j];
      }
  }
  for (uint32_t first = 0; first < m; first += kTerms) {
    for (uint32_t e = threadIdx.x; e < kTerms * kTile; e += kThreads) {
      // The dimension that lies in memory without gaps comes first.
      const uint32_t row = pairs.transposed ? e % kTile : e / kTerms;
      const uint32_t term = pairs.transposed ? e / kTile : e % kTerms;
      const uint32_t i = first_row + row, j = first + term;
      weights[term][row] = i < n && j < m ? pairs.weight(n, m, i, j) : 0.0f;
    }
    for (uint32_t e = threadIdx.x; e < kTerms * kTile / V; e += kThreads) {
      const uint32_t term = e / (kTile / V), k = e % (kTile / V) * V;
      Pack<float, V> value = {};
      if (first + term < m && first_column + k < dim)
        value = widen(load<V * sizeof(T)>(y + static_cast<int64_t>(first + term) * dim + first_column + k));
      store_lanes_shared(&others[term][k], value);
    }
    __syncthreads();
    float sum[kOwn][kOwn] = {};
#pragma unroll
    for (int term = 0; term < kTerms; ++term) {
      const Pack<float, kOwn> w = load<16>(&weights[term][own_row]), b = load<16>(&others[term][own_column]);
#pragma unroll
      for (int i = 0; i < kOwn; ++i)
#pragma unroll
        for (int k = 0; k < kOwn; ++k)
          sum[i][k] = fmaf(w.lane[i], kCosine ? b.lane[k] : own[i][k] - b.lane[k], sum[i][k]);
    }
#pragma unroll
    for (int i = 0; i < kOwn; ++i)
#pragma unroll
      for (int k = 0; k < kOwn; ++k) total[i][k] += sum[i][k];
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < kOwn; ++i) {
    const uint32_t row = first_row + own_row + i;
    if (row >= n) continue;
    Pack<float, kOwn> grad;
#pragma unroll
    for (int k = 0; k < kOwn; ++k) grad.lane[k] = total[i][k];
    write_own(grad_x + static_cast<int64_t>(row) * dim, first_column + own_column, dim, V > 1,
              narrow<Out>(grad));
  }
}

// grad_x from the gradient g of u = x / |x|: (g - (g.u) u) / |x|; below the clamp g / clamp. A warp a row.
template <class T>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    pairwise_distance_unit(uint32_t rows, uint32_t dim, const T* __restrict__ x,
                           const float* __restrict__ norms, const float* __restrict__ grad_unit,
                           T* __restrict__ grad_x) {
  const uint32_t row = blockIdx.x * (kThreads / kWarp) + threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const bool inside = row < rows;
  const int64_t first = static_cast<int64_t>(row) * dim;
  const float norm = inside ? norms[row] : 1.0f;
  float along = 0;
  for (uint32_t k = lane; inside && k < dim; k += kWarp)
    along = fmaf(grad_unit[first + k], static_cast<float>(x[first + k]) / norm, along);
  along = warp_reduce(along, Add());
  if (!(norm > kClamp)) along = 0;
  for (uint32_t k = lane; inside && k < dim; k += kWarp) {
    const float u = static_cast<float>(x[first + k]) / norm;
    grad_x[first + k] = static_cast<T>((grad_unit[first + k] - along * u) / norm);
  }
}

struct Sizes {
  uint32_t n, m, dim;
};

Sizes narrowed(int64_t n, int64_t m, int64_t dim) {
  check(n < (int64_t{1} << 31) && m < 65536 * kTile && dim < 65536 * kTile, "pairwise_distance: ", n, " x ",
        m, " distances in ", dim, " dimensions are too many for one launch");
  return {static_cast<uint32_t>(n), static_cast<uint32_t>(m), static_cast<uint32_t>(dim)};
}

template <class T, int V>
void run_norms(Context& context, uint32_t rows, uint32_t dim, const T* x, float* norms) {
  launch(pairwise_distance_norms<T, V>, blocks_for(rows, kThreads / kWarp), kThreads, 0, context.stream(),
         rows, dim, x, norms);
}

template <class T, int V>
void run_forward(Context& context, Metric metric, const Sizes& s, const T* x, const T* y, T* distance) {
  const bool cosine = metric == Metric::cosine;
  Context::Scratch scratch(context, cosine ? (static_cast<size_t>(s.n) + s.m) * sizeof(float) : 0);
  float *x_norms = scratch.as<float>(), *y_norms = x_norms + s.n;
  if (cosine) {
    run_norms<T, V>(context, s.n, s.dim, x, x_norms);
    run_norms<T, V>(context, s.m, s.dim, y, y_norms);
  }
  launch(cosine ? pairwise_distance_forward<T, V, true> : pairwise_distance_forward<T, V, false>,
         {blocks_for(s.n, kTile), blocks_for(s.m, kTile)}, kThreads, 0, context.stream(),
         metric == Metric::euclidean, s.n, s.m, s.dim, x, y, x_norms, y_norms, distance);
}

template <class T, int V>
void run_backward(Context& context, Metric metric, bool transposed, const Sizes& s, const T* x, const T* y,
                  const T* distance, const T* grad_distance, T* grad_x) {
  const Grid grid(blocks_for(s.n, kTile), blocks_for(s.dim, kTile));
  if (metric != Metric::cosine) {
    const Pairs<T> pairs{distance, grad_distance, nullptr, metric, transposed};
    launch(pairwise_distance_backward<T, V, false, T>, grid, kThreads, 0, context.stream(), s.n, s.m, s.dim,
           x, y, pairs, grad_x);
    return;
  }
  Context::Scratch scratch(context, (static_cast<size_t>(s.n) * (s.dim + 1) + s.m) * sizeof(float));
  float* grad_unit = scratch.as<float>();  // first: its rows take 16-byte accesses
  float *x_norms = grad_unit + static_cast<size_t>(s.n) * s.dim, *y_norms = x_norms + s.n;
  run_norms<T, V>(context, s.n, s.dim, x, x_norms);
  run_norms<T, V>(context, s.m, s.dim, y, y_norms);
  const Pairs<T> pairs{distance, grad_distance, y_norms, metric, transposed};
  launch(pairwise_distance_backward<T, V, true, float>, grid, kThreads, 0, context.stream(), s.n, s.m, s.dim,
         x, y, pairs, grad_unit);
  launch(pairwise_distance_unit<T>, blocks_for(s.n, kThreads / kWarp), kThreads, 0, context.stream(), s.n,
         s.dim, x, x_norms, grad_unit, grad_x);
}

}  // namespace

template <>
template <class T>
void PairwiseDistance<kGpu>::forward(Context& context, Metric metric, int64_t n, int64_t m, int64_t dim,
                                     const T* x, const T* y, T* distance) {
  check_element<T>(context);
  if (context.kernels == Kernels::plain)
    return each(context, n * m, PlainPairwiseDistance<T>{metric, m, dim, x, y, distance});
  constexpr int kWide = kVector<T, true>;
  const bool wide = dim % kWide == 0 && aligned(x, 16) && aligned(y, 16);
  const auto run = wide ? run_forward<T, kWide> : run_forward<T, 1>;
  run(context, metric, narrowed(n, m, dim), x, y, distance);
}
template void PairwiseDistance<kGpu>::forward(Context&, Metric, int64_t, int64_t, int64_t, const float*,
                                              const float*, float*);
template void PairwiseDistance<kGpu>::forward(Context&, Metric, int64_t, int64_t, int64_t, const bf16*,
                                              const bf16*, bf16*);

template <>
template <class T>
void PairwiseDistance<kGpu>::backward(Context& context, Metric metric, bool transposed, int64_t n, int64_t m,
                                      int64_t dim, const T* x, const T* y, const T* distance,
                                      const T* grad_distance, T* grad_x) {
  check_element<T>(context);
  constexpr int kWide = kVector<T, true>;
  const bool wide = dim % kWide == 0 && aligned(x, 16) && aligned(y, 16) && aligned(grad_x, 16);
  const auto run = wide ? run_backward<T, kWide> : run_backward<T, 1>;
  run(context, metric, transposed, narrowed(n, m, dim), x, y, distance, grad_distance, grad_x);
}
template void PairwiseDistance<kGpu>::backward(Context&, Metric, bool, int64_t, int64_t, int64_t,
                                               const float*, const float*, const float*, const float*,
                                               float*);
template void PairwiseDistance<kGpu>::backward(Context&, Metric, bool, int64_t, int64_t, int64_t, const bf16*,
                                               const bf16*, const bf16*, const bf16*, bf16*);

}  // namespace saccade
