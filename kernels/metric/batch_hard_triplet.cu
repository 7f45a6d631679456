#include "kernels/common/launch.h"
#include "kernels/common/reduce.h"
#include "kernels/common/vector.h"
#include "kernels/matmul/product.h"
#include "kernels/metric/batch_hard_triplet.h"
#include "kernels/metric/batch_hard_triplet.plain.h"
#include "kernels/metric/difference.h"

namespace saccade {

namespace {

constexpr int kRows = 8;               // rows of each side whose distances one block sums
constexpr int kPairs = kRows * kRows;  // pairs of a block: two for each lane of a warp
constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kSelectThreads = 1024;  // a warp for each anchor
constexpr int64_t kOneBlock = 256;    // up to so many anchors one block selects, and then takes the mean, too

// Sums 64 values over the 32 lanes of a warp. Each exchange halves the number of values that a lane keeps;
// afterwards value[0] and value[1] of lane l are the sums of values 2l and 2l + 1. The recursion makes every
// index a constant, so that the values stay in registers.
template <int half = kPairs / 2>
__device__ __forceinline__ void sum_over_warp(float (&value)[kPairs]) {
  constexpr unsigned kOffset = half / 2;
  const bool upper = (threadIdx.x & kOffset) != 0;
#pragma unroll
  for (int i = 0; i < half; ++i) {
    const float away = upper ? value[i] : value[i + half];
    const float mine = upper ? value[i + half] : value[i];
    value[i] = mine + __shfl_xor_sync(kAllLanes, away, kOffset);
  }
  if constexpr (half > 2) sum_over_warp<half / 2>(value);
}

// distances[i, j] = distances[j, i] = sum (x_i - x_j)^2. A block takes one tile of pairs on or above the
// diagonal; its threads share the vectors of V elements, in an order that is the same for every pair.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    triplet_distances(uint32_t count, uint32_t dim, const T* __restrict__ x, float* __restrict__ distances) {
  __shared__ float sums[kWarps][kPairs];
  if (blockIdx.x < blockIdx.y) return;  // the block of the mirrored tile does the work
  const uint32_t first_row = blockIdx.y * kRows, first_column = blockIdx.x * kRows;
  float sum[kPairs] = {};
  for (uint32_t k = threadIdx.x * V; k < dim; k += blockDim.x * V) {
    Pack<T, V> p[kRows], q[kRows];
#pragma unroll
    for (uint32_t i = 0; i < kRows; ++i) {  // the last row stands in for rows past the end
      const int64_t row = first_row + i < count ? first_row + i : count - 1;
      const int64_t column = first_column + i < count ? first_column + i : count - 1;
      p[i] = load<V * sizeof(T)>(x + row * dim + k);
      q[i] = load<V * sizeof(T)>(x + column * dim + k);
    }
#pragma unroll
    for (int i = 0; i < kRows; ++i)
#pragma unroll
      for (int j = 0; j < kRows; ++j)
#pragma unroll
        for (int e = 0; e < V; ++e) {
          const float difference = static_cast<float>(p[i].lane[e]) - static_cast<float>(q[j].lane[e]);
          sum[i * kRows + j] += difference * difference;
        }
  }
  sum_over_warp(sum);
  const uint32_t warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  sums[warp][2 * lane] = sum[0];
  sums[warp][2 * lane + 1] = sum[1];
  __syncthreads();
  for (uint32_t pair = threadIdx.x; pair < kPairs; pair += blockDim.x) {
    float total = 0;
    for (uint32_t w = 0; w < blockDim.x / kWarp; ++w) total += sums[w][pair];
    const uint32_t row = first_row + pair / kRows, column = first_column + pair % kRows;
    if (row >= count || column >= count) continue;
    distances[static_cast<int64_t>(row) * count + column] = total;
    // A tile on the diagonal holds both orders already.
    if (first_row != first_column) distances[static_cast<int64_t>(column) * count + row] = total;
  }
}

// (distance, index) as one integer, so that comparing integers compares distances, then indices: the bits of
// floats that are not negative are ordered like the floats. A NaN counts as the farthest.
__device__ __forceinline__ uint64_t ordered(float distance, uint32_t index) {
  const uint32_t bits = distance != distance ? 0x7f800000u : __float_as_uint(distance);
  return static_cast<uint64_t>(bits) << 32 | index;
}

// The sum of one value per thread of a block of kSelectThreads, in a fixed order. Thread 0 receives it.
__device__ __forceinline__ float sum_over_block(float value) {
  __shared__ float sums[kWarp];
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(kAllLanes, value, offset);
  if (threadIdx.x % kWarp == 0) sums[threadIdx.x / kWarp] = value;
  __syncthreads();
  float total = 0;
  if (threadIdx.x == 0)
    for (int i = 0; i < kSelectThreads / 32; ++i) total += sums[i];
  return total;
}

__device__ __forceinline__ void write_mean(uint32_t count, const float* terms, float* loss) {
  float sum = 0;
  for (uint32_t a = threadIdx.x; a < count; a += kSelectThreads) sum += terms[a];
  const float total = sum_over_block(sum);
  if (threadIdx.x == 0) *loss = count > 0 ? total / static_cast<float>(count) : 0.0f;
}

// The squared distances that triplet_distances() wrote.
struct Distances {
  const float* __restrict__ matrix;
  uint32_t count;

  __device__ __forceinline__ float operator()(uint32_t a, uint32_t b) const {
    return matrix[static_cast<int64_t>(a) * count + b];
  }
  __device__ __forceinline__ float exact(uint32_t a, uint32_t b) const { return (*this)(a, b); }
};

// Squared distances from products, precise enough to choose by. |x|^2 comes from the same products, so that
// equal rows have distance 0; for the rows that were chosen, exact() sums the differences again.
struct Products {
  const float* __restrict__ matrix;   // x_a . x_b
  const float* __restrict__ squares;  // its diagonal
  const bf16* __restrict__ x;         // rows of 16-byte vectors
  uint32_t count, dim;

  __device__ __forceinline__ float operator()(uint32_t a, uint32_t b) const {
    const float d2 = squares[a] + squares[b] - 2.0f * matrix[static_cast<int64_t>(a) * count + b];
    return d2 < 0.0f ? 0.0f : d2;  // a NaN stays
  }
  // All lanes of the warp call it and receive the same.
  __device__ __forceinline__ float exact(uint32_t a, uint32_t b) const {
    return squared_difference<bf16, kVector<bf16, true>>(dim, x + static_cast<int64_t>(a) * dim,
                                                         x + static_cast<int64_t>(b) * dim);
  }
};

// squares[i] = products[i, i]
struct Diagonal {
  int64_t count;
  const float* products;
  float* squares;

  __device__ void operator()(int64_t i) const { squares[i] = products[i * (count + 1)]; }
};

// A warp takes an anchor: it finds its farthest positive and nearest negative, and its term of the loss.
template <class Source>
__global__ void __launch_bounds__(kSelectThreads)
    triplet_select(uint32_t count, Source distances, const int64_t* __restrict__ labels, float margin,
                   bool squared, int64_t* __restrict__ positive, int64_t* __restrict__ negative,
                   float* __restrict__ positive_d2, float* __restrict__ negative_d2, float* terms,
                   float* loss) {
  constexpr uint64_t kNone = ~uint64_t{0};
  const uint32_t lane = threadIdx.x % kWarp, anchors_a_block = kSelectThreads / kWarp;
  for (uint32_t a = blockIdx.x * anchors_a_block + threadIdx.x / kWarp; a < count;
       a += gridDim.x * anchors_a_block) {
    const int64_t label = labels[a];
    uint64_t farthest = 0, nearest = kNone;  // `farthest` keeps ~index: the lowest index is the greatest key
    for (uint32_t b = lane; b < count; b += kWarp) {
      const float d2 = distances(a, b), d = squared || !(d2 < 1e-12f) ? d2 : 1e-12f;
      if (labels[b] == label) {
        const uint64_t key = ordered(d, ~b);
        farthest = key > farthest ? key : farthest;
      } else {
        const uint64_t key = ordered(d, b);
        nearest = key < nearest ? key : nearest;
      }
    }
#pragma unroll
    for (int offset = kWarp / 2; offset > 0; offset /= 2) {
      const uint64_t f = __shfl_xor_sync(kAllLanes, farthest, offset);
      const uint64_t n = __shfl_xor_sync(kAllLanes, nearest, offset);
      farthest = f > farthest ? f : farthest;
      nearest = n < nearest ? n : nearest;
    }
    const uint32_t p = ~static_cast<uint32_t>(farthest), n = static_cast<uint32_t>(nearest);
    const bool has_negative = nearest != kNone;
    const float far_d2 = distances.exact(a, p), near_d2 = has_negative ? distances.exact(a, n) : 0.0f;
    if (lane != 0) continue;
    positive[a] = p;
    negative[a] = has_negative ? static_cast<int64_t>(n) : -1;
    positive_d2[a] = far_d2;
    negative_d2[a] = near_d2;
    terms[a] = triplet_term(has_negative ? 0 : -1, far_d2, near_d2, margin, squared);
  }
  if (gridDim.x > 1) return;  // triplet_mean takes the mean of several blocks
  __syncthreads();
  write_mean(count, terms, loss);
}

__global__ void __launch_bounds__(kSelectThreads)
    triplet_mean(uint32_t count, const float* terms, float* loss) {
  write_mean(count, terms, loss);
}

struct Pairs {
  const int64_t *positive, *negative;
  const float *positive_d2, *negative_d2;
  float margin;
  bool squared;

  __device__ TripletWeights weights(uint32_t count, float grad_loss, uint32_t a) const {
    return triplet_weights(count, grad_loss, negative[a], positive_d2[a], negative_d2[a], margin, squared);
  }
};

// Block (i, tile) takes blockDim.x vectors of row i's gradient. Its threads look through the anchors,
// blockDim.x at a time, for those that chose i (a ballot of each warp gives the inverted list, in order),
// and add the pull of each.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    triplet_backward(uint32_t count, uint32_t dim, const float* __restrict__ grad_loss,
                     const T* __restrict__ x, Pairs pairs, T* __restrict__ grad_x) {
  __shared__ unsigned chose_as_positive[kWarps], chose_as_negative[kWarps];
  __shared__ TripletWeights weight[kThreads];
  const uint32_t row = blockIdx.x, column = (blockIdx.y * blockDim.x + threadIdx.x) * V;
  const bool inside = column < dim;
  const float grad = *grad_loss;
  x += column;
  Pack<float, V> own = {}, sum = {};
  if (inside) {
    own = to_f32(load<V * sizeof(T)>(x + static_cast<int64_t>(row) * dim));
    if (pairs.negative[row] >= 0) {
      const TripletWeights w = pairs.weights(count, grad, row);
      pull(w.positive, own, x + pairs.positive[row] * dim, sum);
      pull(-w.negative, own, x + pairs.negative[row] * dim, sum);
    }
  }
  for (uint32_t first = 0; first < count; first += blockDim.x) {
    const uint32_t anchor = first + threadIdx.x;
    const bool as_positive = anchor < count && anchor != row && pairs.positive[anchor] == row;
    const bool as_negative = anchor < count && pairs.negative[anchor] == row;
    if (as_positive || as_negative) weight[threadIdx.x] = pairs.weights(count, grad, anchor);
    const unsigned positive_lanes = __ballot_sync(kAllLanes, as_positive);
    const unsigned negative_lanes = __ballot_sync(kAllLanes, as_negative);
    if (threadIdx.x % kWarp == 0) {
      chose_as_positive[threadIdx.x / kWarp] = positive_lanes;
      chose_as_negative[threadIdx.x / kWarp] = negative_lanes;
    }
    __syncthreads();
    if (inside) {
      for (uint32_t w = 0; w < blockDim.x / kWarp; ++w) {
        for (unsigned lanes = chose_as_positive[w]; lanes != 0; lanes &= lanes - 1) {
          const uint32_t thread = w * kWarp + __ffs(static_cast<int>(lanes)) - 1;
          pull(weight[thread].positive, own, x + static_cast<int64_t>(first + thread) * dim, sum);
        }
        for (unsigned lanes = chose_as_negative[w]; lanes != 0; lanes &= lanes - 1) {
          const uint32_t thread = w * kWarp + __ffs(static_cast<int>(lanes)) - 1;
          pull(-weight[thread].negative, own, x + static_cast<int64_t>(first + thread) * dim, sum);
        }
      }
    }
    __syncthreads();
  }
  if (inside) store<V * sizeof(T)>(grad_x + static_cast<int64_t>(row) * dim + column, from_f32<T>(sum));
}

// The threads of a block for `vectors` of a row: whole warps, at most kThreads.
unsigned threads_for(int64_t vectors) {
  return vectors >= kThreads ? kThreads
                             : static_cast<unsigned>((vectors + 31) / 32 * 32) + (vectors == 0 ? 32 : 0);
}

void check_sizes(int64_t count, int64_t dim) {
  check(count >= 0 && dim >= 0, "batch_hard_triplet: a negative size");
  check(count < 65536 * kRows && dim < (int64_t{1} << 24), "batch_hard_triplet: ", count, " embeddings of ",
        dim, " are too many for one launch");
}

}  // namespace

template <>
template <class T>
void BatchHardTriplet<kGpu>::forward(Context& context, int64_t count, int64_t dim, const T* embeddings,
                                     const int64_t* labels, double margin, bool squared, Accumulator<T>* loss,
                                     int64_t* positive, int64_t* negative, Accumulator<T>* positive_d2,
                                     Accumulator<T>* negative_d2) {
  check_element<T>(context);
  check_sizes(count, dim);
  constexpr int kPerVector = kVector<T, true>;
  Context::Scratch terms(context, static_cast<size_t>(count) * sizeof(float));
  if (context.kernels == Kernels::plain) {
    each(context, count,
         PlainTripletSelect<T>{count, dim, embeddings, labels, static_cast<float>(margin), squared, positive,
                               negative, positive_d2, negative_d2, terms.as<float>()});
    return each(context, 1, PlainTripletMean{count, terms.as<float>(), loss});
  }
  const bool vectorized = dim % kPerVector == 0 && aligned(embeddings, 16), one_block = count <= kOneBlock;
  const auto select = [&]<class Source>(const Source& distances) {
    launch(triplet_select<Source>, one_block ? 1 : blocks_for(count, kSelectThreads / kWarp), kSelectThreads,
           0, context.stream(), count, distances, labels, margin, squared, positive, negative, positive_d2,
           negative_d2, terms.as<float>(), loss);
    if (!one_block)
      launch(triplet_mean, 1, kSelectThreads, 0, context.stream(), count, terms.as<float>(), loss);
  };
  const Context::Scratch scratch(context, static_cast<size_t>(count * count) * sizeof(float));
  float* matrix = scratch.as<float>();
  const uint32_t n = static_cast<uint32_t>(count);
  if constexpr (std::is_same_v<T, bf16>)
    if (vectorized && !one_block) {  // fewer rows would give the tensor cores too few tiles to fill a GPU
      const Context::Scratch squares(context, static_cast<size_t>(count) * sizeof(float));
      const Dense<bf16, true, true> rows{embeddings, n, static_cast<uint32_t>(dim)};
      launch_sums(context, count, count, dim, rows, rows, matrix);
      each(context, count, Diagonal{count, matrix, squares.as<float>()});
      return select(Products{matrix, squares.as<float>(), embeddings, n, static_cast<uint32_t>(dim)});
    }
  const unsigned tiles = blocks_for(count, kRows);
  launch(vectorized ? triplet_distances<T, kPerVector> : triplet_distances<T, 1>, {tiles, tiles},
         threads_for(dim / (vectorized ? kPerVector : 1)), 0, context.stream(), count, dim, embeddings,
         matrix);
  select(Distances{matrix, n});
}
template void BatchHardTriplet<kGpu>::forward(Context&, int64_t, int64_t, const float*, const int64_t*,
                                              double, bool, float*, int64_t*, int64_t*, float*, float*);
template void BatchHardTriplet<kGpu>::forward(Context&, int64_t, int64_t, const bf16*, const int64_t*, double,
                                              bool, float*, int64_t*, int64_t*, float*, float*);

template <>
template <class T>
void BatchHardTriplet<kGpu>::backward(Context& context, int64_t count, int64_t dim,
                                      const Accumulator<T>* grad_loss, const T* embeddings,
                                      const int64_t* positive, const int64_t* negative,
                                      const Accumulator<T>* positive_d2, const Accumulator<T>* negative_d2,
                                      double margin, bool squared, T* grad_embeddings) {
  check_element<T>(context);
  check_sizes(count, dim);
  constexpr int kPerVector = kVector<T, true>;
  const bool vectorized = dim % kPerVector == 0 && aligned(embeddings, 16) && aligned(grad_embeddings, 16);
  const Pairs pairs{positive, negative, positive_d2, negative_d2, static_cast<float>(margin), squared};
  const int64_t vectors = dim / (vectorized ? kPerVector : 1);
  const unsigned threads = threads_for(vectors);
  launch(vectorized ? triplet_backward<T, kPerVector> : triplet_backward<T, 1>,
         {blocks_for(count, 1), blocks_for(vectors, threads)}, threads, 0, context.stream(), count, dim,
         grad_loss, embeddings, pairs, grad_embeddings);
}
template void BatchHardTriplet<kGpu>::backward(Context&, int64_t, int64_t, const float*, const float*,
                                               const int64_t*, const int64_t*, const float*, const float*,
                                               double, bool, float*);
template void BatchHardTriplet<kGpu>::backward(Context&, int64_t, int64_t, const float*, const bf16*,
                                               const int64_t*, const int64_t*, const float*, const float*,
                                               double, bool, bf16*);

}  // namespace saccade
