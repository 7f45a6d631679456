#include "kernels/common/launch.h"
#include "kernels/common/reduce.h"
#include "kernels/common/vector.h"
#include "kernels/matmul/matmul.h"
#include "kernels/metric/difference.h"
#include "kernels/metric/pairwise_distance.h"
#include "kernels/metric/pairwise_distance.plain.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kWarpRows = 4;                   // rows of a tile of weights that a warp takes
constexpr int kTileRows = kWarps * kWarpRows;  // 32: the bits of a word
constexpr int kGradientThreads = 128;
// The launch bounds ask for two blocks of kThreads on a multiprocessor: without them the compiler spilled a
// few bytes to fit one block more.
[[maybe_unused]] constexpr int kBlocksPerSm = 2;

constexpr float kClamp = static_cast<float>(PairwiseDistance<kGpu>::kClamp);
constexpr float kNear = static_cast<float>(PairwiseDistance<kGpu>::kNear);

// The columns of a warp whose lanes take V each.
template <int V>
constexpr uint32_t kSpan = kWarp* V;

// Whether d2 = |x|^2 + |y|^2 - 2 x.y has lost digits; scale = |x|^2 + |y|^2. True for a NaN, which may come
// from infinity - infinity.
__device__ __forceinline__ bool is_near(float d2, float scale) {
  return !(d2 >= kNear * scale);
}

// |x|^2, or max(|x|, clamp) when `root`, of every row of x [n, dim] and of y [m, dim]. A warp takes a row.
template <class T, int V>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    pairwise_distance_norms(bool root, uint32_t n, uint32_t m, uint32_t dim, const T* __restrict__ x,
                            const T* __restrict__ y, float* __restrict__ x_norms,
                            float* __restrict__ y_norms) {
  const uint32_t at = blockIdx.x * kWarps + threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const bool of_x = at < n;
  const uint32_t row = of_x ? at : at - n;
  if (!of_x && row >= m) return;
  const T* from = (of_x ? x : y) + static_cast<int64_t>(row) * dim;
  float sum = 0;
  for (uint32_t k = lane * V; k < dim; k += kSpan<V>) {
    const Pack<float, V> value = to_f32(load<V * sizeof(T)>(from + k));
#pragma unroll
    for (int e = 0; e < V; ++e) sum = fmaf(value.lane[e], value.lane[e], sum);
  }
  sum = warp_reduce(sum, Add());
  const float norm = sqrtf(sum);
  if (root) sum = norm < kClamp ? kClamp : norm;  // a NaN stays
  if (lane == 0) (of_x ? x_norms : y_norms)[row] = sum;
}

// Distances from products [n, m], which may lie in the same place. A warp takes kSpan<V> columns of a row,
// and sums the near pairs among them from their differences, one after the other.
template <class T, int V>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    pairwise_distance_forward(Metric metric, uint32_t n, uint32_t m, uint32_t dim, const T* __restrict__ x,
                              const T* __restrict__ y, const float* __restrict__ x_norms,
                              const float* __restrict__ y_norms, const float* products, T* distance) {
  const uint32_t tiles = (m + kSpan<V> - 1) / kSpan<V>, lane = threadIdx.x % kWarp;
  const uint32_t row = blockIdx.x / tiles * kWarps + threadIdx.x / kWarp;
  const uint32_t first = blockIdx.x % tiles * kSpan<V>, column = first + lane * V;
  if (row >= n) return;
  const bool inside = column < m;
  const int64_t at = static_cast<int64_t>(row) * m + column;
  const float x_norm = x_norms[row];
  Pack<float, V> d = {}, y_norm = {};
  if (inside) {
    d = load_lanes<V>(products + at);
    y_norm = load_lanes<V>(y_norms + column);
  }
  if (metric == Metric::cosine) {
#pragma unroll
    for (int e = 0; e < V; ++e) d.lane[e] = 1.0f - d.lane[e] / x_norm / y_norm.lane[e];
  } else {
    unsigned near = 0;
#pragma unroll
    for (int e = 0; e < V; ++e) {
      const float scale = x_norm + y_norm.lane[e];
      d.lane[e] = scale - 2.0f * d.lane[e];
      if (inside && is_near(d.lane[e], scale)) near |= 1u << e;
    }
    for (unsigned lanes = __ballot_sync(kAllLanes, near != 0); lanes != 0; lanes &= lanes - 1) {
      const int source = __ffs(static_cast<int>(lanes)) - 1;
      for (unsigned its = __shfl_sync(kAllLanes, near, source); its != 0; its &= its - 1) {
        const int element = __ffs(static_cast<int>(its)) - 1;
        const uint32_t other = first + static_cast<uint32_t>(source) * V + static_cast<uint32_t>(element);
        const float d2 = squared_difference<T, V>(dim, x + static_cast<int64_t>(row) * dim,
                                                  y + static_cast<int64_t>(other) * dim);
#pragma unroll
        for (int e = 0; e < V; ++e)
          if (lane == static_cast<uint32_t>(source) && e == element) d.lane[e] = d2;
      }
    }
    if (metric == Metric::euclidean)
#pragma unroll
      for (int e = 0; e < V; ++e) d.lane[e] = sqrtf(d.lane[e] < kClamp ? kClamp : d.lane[e]);  // a NaN stays
  }
  if (inside) store<V * sizeof(T)>(distance + at, from_f32<T>(d));
}

// The factor of x - y in the gradient of x.
template <class T>
__device__ __forceinline__ float difference_weight(Metric metric, float distance, float grad) {
  if (metric == Metric::squared) return 2.0f * grad;
  const float least = static_cast<float>(static_cast<T>(sqrtf(kClamp)));
  return distance > least ? grad / distance : 0.0f;
}

// What the gradient of row i of x needs beside the product W y: parts of sum_j W_ij, and bits for the pairs
// that W leaves out because they are near. A row of x is a row of the matrix of distances, or a column when
// `transposed`; a part is the sum over one tile.
struct Sums {
  bool transposed;
  uint32_t count;  // rows of x
  uint32_t parts;
  uint32_t words, span;  // a row of x has `words` words of bits; neighboring bits are `span` apart
  float* part;           // [parts, count]
  uint32_t* near;        // [count, words], [words, count] when transposed

  __device__ __forceinline__ uint32_t* word(uint32_t row, uint32_t index) const {
    return near + (transposed ? static_cast<int64_t>(index) * count + row
                              : static_cast<int64_t>(row) * words + index);
  }
  // The row of y for which a bit stands.
  __device__ __forceinline__ uint32_t other(uint32_t index, uint32_t bit) const {
    return index / span * kWarp * span + bit * span + index % span;
  }
};

// W [rows, columns], laid out like distance and grad_distance: the factors of x - y, 0 for near pairs; for
// cosine the factors of y. A block takes a tile of kTileRows x kSpan<V>.
//
// In bf16, W is rounded for the tensor cores, and the sums add the rounded W.
// Each x - y then has one factor in both, whose error is no larger than that of the
// distance in it, and sum(W) x - W y cancels no worse than in f32.
template <class T, int V>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    pairwise_distance_weights(Metric metric, uint32_t rows, uint32_t columns,
                              const float* __restrict__ row_norms, const float* __restrict__ column_norms,
                              const T* __restrict__ distance, const T* __restrict__ grad_distance, Sums sums,
                              T* __restrict__ weights) {
  alignas(16) __shared__ float part[kWarps][kSpan<V>];
  alignas(16) __shared__ uint32_t bits[kWarps][kSpan<V>];
  const uint32_t tiles = (columns + kSpan<V> - 1) / kSpan<V>, tile = blockIdx.x % tiles;
  const uint32_t lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const uint32_t tile_row = blockIdx.x / tiles, first_row = tile_row * kTileRows + warp * kWarpRows;
  const uint32_t column = tile * kSpan<V> + lane * V;
  Pack<float, V> column_norm = {}, column_sum = {};
  Pack<uint32_t, V> column_near = {};
  if (column < columns) column_norm = load_lanes<V>(column_norms + column);
#pragma unroll
  for (uint32_t r = 0; r < kWarpRows; ++r) {
    const uint32_t row = first_row + r;
    const bool inside = row < rows && column < columns;
    const int64_t at = static_cast<int64_t>(row) * columns + column;
    Pack<float, V> weight = {};
    uint32_t near = 0;
    if (inside) {
      const float row_norm = row_norms[row];
      const Pack<float, V> grad = to_f32(load<V * sizeof(T)>(grad_distance + at));
      if (metric == Metric::cosine) {
#pragma unroll
        for (int e = 0; e < V; ++e)
          weight.lane[e] = -grad.lane[e] / (sums.transposed ? row_norm : column_norm.lane[e]);
      } else {
        const Pack<float, V> d = to_f32(load<V * sizeof(T)>(distance + at));
#pragma unroll
        for (int e = 0; e < V; ++e) {
          weight.lane[e] = difference_weight<T>(metric, d.lane[e], grad.lane[e]);
          const float d2 = metric == Metric::squared ? d.lane[e] : d.lane[e] * d.lane[e];
          if (!is_near(d2, row_norm + column_norm.lane[e])) continue;
          if (weight.lane[e] != 0.0f) near |= 1u << e;
          weight.lane[e] = 0.0f;
        }
      }
      const Pack<T, V> rounded = from_f32<T>(weight);
      store<V * sizeof(T)>(weights + at, rounded);
      weight = to_f32(rounded);
    }
    if (metric == Metric::cosine) continue;
    if (sums.transposed) {
#pragma unroll
      for (int e = 0; e < V; ++e) {
        column_sum.lane[e] += weight.lane[e];
        column_near.lane[e] |= (near >> e & 1u) << (warp * kWarpRows + r);
      }
      continue;
    }
    float sum = 0;
#pragma unroll
    for (int e = 0; e < V; ++e) sum += weight.lane[e];
    sum = warp_reduce(sum, Add());
    if (lane == 0 && row < rows) sums.part[static_cast<int64_t>(tile) * rows + row] = sum;
#pragma unroll
    for (uint32_t e = 0; e < V; ++e) {
      const uint32_t lanes = __ballot_sync(kAllLanes, near >> e & 1u);
      if (lane == e && row < rows) *sums.word(row, tile * V + e) = lanes;
    }
  }
  if (metric == Metric::cosine || !sums.transposed) return;
  store_lanes_shared(&part[warp][lane * V], column_sum);
  store_lanes_shared(&bits[warp][lane * V], column_near);
  __syncthreads();
  const uint32_t own = tile * kSpan<V> + threadIdx.x;
  if (threadIdx.x >= kSpan<V> || own >= columns) return;
  float sum = 0;
  uint32_t near = 0;
#pragma unroll
  for (int w = 0; w < kWarps; ++w) {
    sum += part[w][threadIdx.x];
    near |= bits[w][threadIdx.x];
  }
  sums.part[static_cast<int64_t>(tile_row) * columns + own] = sum;
  *sums.word(own, tile_row) = near;
}

// grad_x = sum(W) x - W y + the sum of factor * (x - y) over near pairs.
// A block takes kGradientThreads vectors of a row.
template <class T, int V>
__global__ void __launch_bounds__(kGradientThreads, 2 * kBlocksPerSm)
    pairwise_distance_gradient(Metric metric, uint32_t m, uint32_t dim, const T* __restrict__ x,
                               const T* __restrict__ y, const T* __restrict__ distance,
                               const T* __restrict__ grad_distance, Sums sums,
                               const float* __restrict__ products, T* __restrict__ grad_x) {
  constexpr uint32_t kReaders = kGradientThreads / kWarp;
  __shared__ uint32_t word[kGradientThreads], some[kReaders];
  const uint32_t blocks = (dim + kGradientThreads * V - 1) / (kGradientThreads * V);
  const uint32_t row = blockIdx.x / blocks,
                 column = (blockIdx.x % blocks * kGradientThreads + threadIdx.x) * V;
  const bool inside = column < dim;
  const int64_t at = static_cast<int64_t>(row) * dim + column;
  Pack<float, V> own = {}, grad = {};
  if (inside) {
    own = to_f32(load<V * sizeof(T)>(x + at));
    grad = load_lanes<V>(products + at);
  }
  float sum = 0;
  for (uint32_t p = threadIdx.x; p < sums.parts; p += kGradientThreads)
    sum += sums.part[static_cast<int64_t>(p) * sums.count + row];
  sum = block_reduce<kGradientThreads>(sum, Add());
#pragma unroll
  for (int e = 0; e < V; ++e) grad.lane[e] = fmaf(sum, own.lane[e], -grad.lane[e]);
  for (uint32_t first = 0; first < sums.words; first += kGradientThreads) {
    const uint32_t mine = first + threadIdx.x < sums.words ? *sums.word(row, first + threadIdx.x) : 0;
    const uint32_t lanes = __ballot_sync(kAllLanes, mine != 0);
    word[threadIdx.x] = mine;
    if (threadIdx.x % kWarp == 0) some[threadIdx.x / kWarp] = lanes;
    __syncthreads();
    for (uint32_t reader = 0; inside && reader < kReaders; ++reader)
      for (uint32_t left = some[reader]; left != 0; left &= left - 1) {
        const uint32_t index = reader * kWarp + __ffs(static_cast<int>(left)) - 1;
        for (uint32_t near = word[index]; near != 0; near &= near - 1) {
          const uint32_t other = sums.other(first + index, __ffs(static_cast<int>(near)) - 1);
          const int64_t pair = sums.transposed ? static_cast<int64_t>(other) * sums.count + row
                                               : static_cast<int64_t>(row) * m + other;
          const float weight = difference_weight<T>(metric, static_cast<float>(distance[pair]),
                                                    static_cast<float>(grad_distance[pair]));
          pull(weight, own, y + static_cast<int64_t>(other) * dim + column, grad);
        }
      }
    __syncthreads();
  }
  if (inside) store<V * sizeof(T)>(grad_x + at, from_f32<T>(grad));
}

// grad_x = (g - (g.u) u) / |x| from the gradient g of u = x / |x|;
// below the clamp g / clamp. A warp takes a row.
template <class T, int V>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    pairwise_distance_unit(uint32_t rows, uint32_t dim, const T* __restrict__ x,
                           const float* __restrict__ norms, const float* __restrict__ grad_unit,
                           T* __restrict__ grad_x) {
  const uint32_t row = blockIdx.x * kWarps + threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  if (row >= rows) return;
  const int64_t first = static_cast<int64_t>(row) * dim;
  const float norm = norms[row];
  float along = 0;
  for (uint32_t k = lane * V; k < dim; k += kSpan<V>) {
    const Pack<float, V> g = load_lanes<V>(grad_unit + first + k),
                         value = to_f32(load<V * sizeof(T)>(x + first + k));
#pragma unroll
    for (int e = 0; e < V; ++e) along = fmaf(g.lane[e], value.lane[e] / norm, along);
  }
  along = warp_reduce(along, Add());
  if (!(norm > kClamp)) along = 0;
  for (uint32_t k = lane * V; k < dim; k += kSpan<V>) {
    Pack<float, V> g = load_lanes<V>(grad_unit + first + k);
    const Pack<float, V> value = to_f32(load<V * sizeof(T)>(x + first + k));
#pragma unroll
    for (int e = 0; e < V; ++e) g.lane[e] = (g.lane[e] - along * (value.lane[e] / norm)) / norm;
    store<V * sizeof(T)>(grad_x + first + k, from_f32<T>(g));
  }
}

// Divides scratch memory into arrays, each of which begins at a multiple of kAlignment.
class Layout {
 public:
  template <class T>
  size_t add(int64_t count) {
    const size_t at = bytes_;
    bytes_ += (static_cast<size_t>(count) * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    return at;
  }
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_ = 0;
};

void check_sizes(int64_t n, int64_t m, int64_t dim) {
  constexpr int64_t kLimit = (int64_t{1} << 31) - 4096;  // a tile may reach past the edge
  check(n + m < kLimit && dim < kLimit, "pairwise_distance: ", n, " x ", m, " distances in ", dim,
        " dimensions are beyond 32-bit indices");
}

// Calls run.operator()<V>(): V elements are a vector of 16 bytes if `vectorized`, else V is 1.
template <class T, class Run>
void with_vectors(bool vectorized, Run&& run) {
  vectorized ? run.template operator()<kVector<T, true>>() : run.template operator()<1>();
}

template <class T>
bool rows_fit_vectors(int64_t across, std::initializer_list<const void*> pointers) {
  for (const void* p : pointers)
    if (!aligned(p, 16)) return false;
  return across % kVector<T, true> == 0;
}

template <class T>
void run_norms(Context& context, Metric metric, int64_t n, int64_t m, int64_t dim, const T* x, const T* y,
               float* x_norms, float* y_norms) {
  with_vectors<T>(rows_fit_vectors<T>(dim, {x, y}), [&]<int V>() {
    launch(pairwise_distance_norms<T, V>, blocks_for(n + m, kWarps), kThreads, 0, context.stream(),
           metric == Metric::cosine, n, m, dim, x, y, x_norms, y_norms);
  });
}

}  // namespace

template <>
template <class T>
void PairwiseDistance<kGpu>::forward(Context& context, Metric metric, int64_t n, int64_t m, int64_t dim,
                                     const T* x, const T* y, T* distance) {
  check_element<T>(context);
  if (context.kernels == Kernels::plain)
    return each(context, n * m, PlainPairwiseDistance<T>{metric, m, dim, x, y, distance});
  check_sizes(n, m, dim);
  constexpr bool kInPlace = std::is_same_v<T, float>;
  Layout layout;
  const size_t at_x = layout.add<float>(n), at_y = layout.add<float>(m),
               at_products = layout.add<float>(kInPlace ? 0 : n * m);
  const Context::Scratch scratch(context, layout.bytes());
  char* memory = scratch.as<char>();
  float *x_norms = reinterpret_cast<float*>(memory + at_x),
        *y_norms = reinterpret_cast<float*>(memory + at_y);
  float* products = reinterpret_cast<float*>(memory + at_products);
  if constexpr (kInPlace) products = distance;
  run_norms(context, metric, n, m, dim, x, y, x_norms, y_norms);
  Matmul<kGpu>::multiply_f32(context, {.m = n, .n = m, .k = dim, .transpose_b = true, .true_f32 = true}, x, y,
                             products);
  const bool vectorized = rows_fit_vectors<T>(dim, {x, y}) && rows_fit_vectors<T>(m, {distance});
  with_vectors<T>(vectorized, [&]<int V>() {
    launch(pairwise_distance_forward<T, V>,
           blocks_for(blocks_for(n, kWarps) * int64_t{blocks_for(m, kSpan<V>)}, 1), kThreads, 0,
           context.stream(), metric, n, m, dim, x, y, x_norms, y_norms, products, distance);
  });
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
  check_sizes(n, m, dim);
  const int64_t rows = transposed ? m : n, columns = transposed ? n : m;  // of distance
  const bool vectorized_pairs = rows_fit_vectors<T>(columns, {distance, grad_distance});
  const bool vectorized = rows_fit_vectors<T>(dim, {x, y, grad_x}), cosine = metric == Metric::cosine;
  const int64_t vector = vectorized_pairs ? kVector<T, true> : 1;
  const unsigned down = blocks_for(rows, kTileRows), across = blocks_for(columns, kWarp * vector);
  Sums sums{transposed,
            static_cast<uint32_t>(n),
            transposed ? down : across,
            transposed ? down : static_cast<uint32_t>(across * vector),
            transposed ? 1 : static_cast<uint32_t>(vector),
            nullptr,
            nullptr};

  Layout layout;
  const size_t at_x = layout.add<float>(n), at_y = layout.add<float>(m), at_weights = layout.add<T>(n * m),
               at_products = layout.add<float>(n * dim),
               at_part = layout.add<float>(cosine ? 0 : n * sums.parts),
               at_near = layout.add<uint32_t>(cosine ? 0 : n * sums.words);
  const Context::Scratch scratch(context, layout.bytes());
  char* memory = scratch.as<char>();
  float *x_norms = reinterpret_cast<float*>(memory + at_x),
        *y_norms = reinterpret_cast<float*>(memory + at_y);
  T* weights = reinterpret_cast<T*>(memory + at_weights);
  float* products = reinterpret_cast<float*>(memory + at_products);
  sums.part = reinterpret_cast<float*>(memory + at_part);
  sums.near = reinterpret_cast<uint32_t*>(memory + at_near);

  run_norms(context, metric, n, m, dim, x, y, x_norms, y_norms);
  with_vectors<T>(vectorized_pairs, [&]<int V>() {
    launch(pairwise_distance_weights<T, V>, blocks_for(int64_t{down} * across, 1), kThreads, 0,
           context.stream(), metric, rows, columns, transposed ? y_norms : x_norms,
           transposed ? x_norms : y_norms, distance, grad_distance, sums, weights);
  });
  Matmul<kGpu>::multiply_f32(context, {.m = n, .n = dim, .k = m, .transpose_a = transposed, .true_f32 = true},
                             weights, y, products);
  with_vectors<T>(vectorized, [&]<int V>() {
    if (cosine)
      return launch(pairwise_distance_unit<T, V>, blocks_for(n, kWarps), kThreads, 0, context.stream(), n,
                    dim, x, x_norms, products, grad_x);
    launch(pairwise_distance_gradient<T, V>, blocks_for(n * blocks_for(dim, kGradientThreads * V), 1),
           kGradientThreads, 0, context.stream(), metric, m, dim, x, y, distance, grad_distance, sums,
           products, grad_x);
  });
}
template void PairwiseDistance<kGpu>::backward(Context&, Metric, bool, int64_t, int64_t, int64_t,
                                               const float*, const float*, const float*, const float*,
                                               float*);
template void PairwiseDistance<kGpu>::backward(Context&, Metric, bool, int64_t, int64_t, int64_t, const bf16*,
                                               const bf16*, const bf16*, const bf16*, bf16*);

}  // namespace saccade
