// C [m,n] = A [m,k] B [k,n] by tiles in shared memory, wherever the elements of A and B come from. A matrix
// product reads them from two matrices; a convolution gathers them from images and filters (an "implicit"
// matrix product: its large matrices never exist).
//
// A block computes a tile of 64 x 64 elements of C, and each of its 256 threads 4 x 4 of them. The block
// walks along k: it brings a slice of 64 rows of A and one of 64 columns of B to shared memory, a pack of 16
// bytes a thread, and then uses every element 64 times. Sums are in f32, for f32 by fused multiply-adds.
//
// Traffic: blocks walk down the rows of C, so a strip of 64 columns of B stays in the cache while all of A
// passes, once for each strip; an A that fits in the cache comes once. At worst, where two strips of
// 64 (k + k) elements fill the cache, every block brings its own: m n k / 32 elements.
//
// Where C has too few tiles to fill a GPU and k is long, k is cut into parts, which are summed separately and
// then added in order. The parts depend on the shape alone, so the result is the same run after run.
//
// An operand is a function object:
//
//   using Element = T;
//   static constexpr bool along_k;  // whether neighbors in memory lie along k,
//                                   // or else along the rows of A (the columns of B)
//   Pack<T, kPack<T>> operator()(uint32_t i, uint32_t l) const;
//
// The call returns the elements (i, l), (i, l + 1), ... if along_k, else (i, l), (i + 1, l), ...; elements
// beyond the edge of the matrix are zero. i counts rows of A, or columns of B, and l counts along k.
#pragma once

#include "kernels/common/launch.h"
#include "kernels/common/vector.h"

namespace saccade {
inline namespace SACCADE_TARGET {

constexpr int kTile = 64;
constexpr int kTileThreads = 256;
constexpr int kSide = 4;  // rows and columns of a thread
// Blocks of a multiprocessor: 64 registers a thread, or 80 to hold packs of 8 elements without a spill.
template <class T>
constexpr int kTileBlocks = sizeof(T) == 4 ? 4 : 3;
constexpr int kPitch = kTile + kSide;  // of a row in shared memory: 16-byte aligned, in banks of its own
constexpr int kFinishGroups = 8;       // threads that share the parts of an element

template <class T>
constexpr int kPack = 16 / static_cast<int>(sizeof(T));

// `count` elements in a row of memory: those from `first` on, as many as a pack holds; zeros past the end.
// If `vectorized`, count is a multiple of the pack and the row is aligned, so that one access is enough.
template <bool vectorized, class T>
__device__ __forceinline__ Pack<T, kPack<T>> load_row(const T* row, uint32_t first, uint32_t count) {
  Pack<T, kPack<T>> pack = {};
  if constexpr (vectorized) {
    if (first < count) pack = load<16>(row + first);
  } else {
#pragma unroll
    for (int e = 0; e < kPack<T>; ++e)
      if (first + e < count) pack.lane[e] = row[first + e];
  }
  return pack;
}

// A matrix: [size, k] where neighbors lie along k, else [k, size].
template <class T, bool along_k_, bool vectorized>
struct Dense {
  using Element = T;
  static constexpr bool along_k = along_k_;
  const T* data;
  uint32_t size, k;

  __device__ __forceinline__ Pack<T, kPack<T>> operator()(uint32_t i, uint32_t l) const {
    const uint32_t row = along_k ? i : l, rows = along_k ? size : k, columns = along_k ? k : size;
    if (row >= rows) return {};
    return load_row<vectorized>(data + static_cast<int64_t>(row) * columns, along_k ? l : i, columns);
  }
};

// Where row `row` of the product begins in C, in elements: rows of n elements follow each other, unless the
// product computes a selection of the rows of C, or C lies in a wider matrix.
struct EveryRow {
  __device__ __forceinline__ int64_t operator()(uint32_t row, uint32_t n) const {
    return static_cast<int64_t>(row) * n;
  }
};

// What becomes of the sums: C = act(bias + sum), or C += sum; or, where k is cut, the sums of a part.
template <class T, class Rows = EveryRow>
struct Epilogue {
  T* c;
  const T* bias;  // [n] or null
  uint32_t m, n;  // of the product
  bool relu, accumulate;
  bool vectorized;  // four columns in one access
  Rows rows = {};
  float* parts = nullptr;  // [parts, m, n]

  // sum: the elements (row, column), (row, column + 1), ...
  template <int V>
  __device__ __forceinline__ void operator()(uint32_t part, uint32_t row, uint32_t column,
                                             const Pack<float, V>& sum) const {
    if (row >= m || column >= n) return;
    if (parts)
      write(parts + (static_cast<int64_t>(part) * m + row) * n + column, column, n % V == 0, sum);
    else
      finish(row, column, sum);
  }

  template <int V>
  __device__ __forceinline__ void finish(uint32_t row, uint32_t column, Pack<float, V> sum) const {
    T* const to = c + rows(row, n) + column;
    const bool whole = vectorized && V == kSide;
#pragma unroll
    for (int e = 0; e < V; ++e) {
      if (bias && column + e < n) sum.lane[e] += static_cast<float>(bias[column + e]);
      if (relu && sum.lane[e] < 0.0f) sum.lane[e] = 0.0f;
    }
    if (accumulate && whole) {
      const Pack<float, V> before = to_f32(load<V * sizeof(T)>(to));
#pragma unroll
      for (int e = 0; e < V; ++e) sum.lane[e] += before.lane[e];
    } else if (accumulate) {
#pragma unroll
      for (int e = 0; e < V; ++e)
        if (column + e < n) sum.lane[e] += static_cast<float>(to[e]);
    }
    write(to, column, whole, from_f32<T>(sum));
  }

 private:
  template <class S, int V>
  __device__ __forceinline__ void write(S* to, uint32_t column, bool whole, const Pack<S, V>& values) const {
    if (whole) {
      store<V * sizeof(S)>(to, values);
      return;
    }
#pragma unroll
    for (int e = 0; e < V; ++e)
      if (column + e < n) to[e] = values.lane[e];
  }
};

// A thread's place in the slice that the block brings: which pack of which operand it brings.
template <class Operand>
struct Place {
  static constexpr int kWidth = kPack<typename Operand::Element>;
  static constexpr int kAcross =
      (Operand::along_k ? 4 * kWidth : kTile) / kWidth;  // packs in a row of memory
  uint32_t i, l;

  __device__ __forceinline__ Place()
      : i(Operand::along_k ? threadIdx.x / kAcross : threadIdx.x % kAcross * kWidth),
        l(Operand::along_k ? threadIdx.x % kAcross * kWidth : threadIdx.x / kAcross) {}

  __device__ __forceinline__ void put(float (&slice)[4 * kWidth][kPitch],
                                      const Pack<typename Operand::Element, kWidth>& pack) const {
    const Pack<float, kWidth> values = to_f32(pack);
    if constexpr (Operand::along_k) {
#pragma unroll
      for (int e = 0; e < kWidth; ++e) slice[l + e][i] = values.lane[e];
    } else {  // 16 bytes at a time: one element at a time, lanes would be kWidth banks apart
#pragma unroll
      for (int e = 0; e < kWidth; e += kSide)
        store_shared<16>(&slice[l][i + e], Pack<float, kSide>{{values.lane[e], values.lane[e + 1],
                                                               values.lane[e + 2], values.lane[e + 3]}});
    }
  }
};

// Tile blockIdx.x of the rows, tile blockIdx.y of the columns, part `part` of k.
template <class A, class B, class Out>
__device__ __forceinline__ void multiply_tile(uint32_t part, uint32_t k, uint32_t k_a_part, const A& a,
                                              const B& b, const Out& out) {
  using T = typename A::Element;
  constexpr int kDepth = 4 * kPack<T>;  // of a slice: then a thread brings one pack of each operand
  alignas(16) __shared__ float slice_a[kDepth][kPitch];
  alignas(16) __shared__ float slice_b[kDepth][kPitch];
  const Place<A> at_a;
  const Place<B> at_b;
  const uint32_t first_row = blockIdx.x * kTile, first_column = blockIdx.y * kTile;
  const uint32_t begin = part * k_a_part, end = k - begin < k_a_part ? k : begin + k_a_part;
  const uint32_t row = threadIdx.x / (kTile / kSide) * kSide, column = threadIdx.x % (kTile / kSide) * kSide;

  Pack<float, kSide> sum[kSide] = {};
  Pack<T, kPack<T>> next_a = a(first_row + at_a.i, begin + at_a.l);
  Pack<T, kPack<T>> next_b = b(first_column + at_b.i, begin + at_b.l);
  for (uint32_t l = begin; l < end; l += kDepth) {
    at_a.put(slice_a, next_a);
    at_b.put(slice_b, next_b);
    __syncthreads();
    if (l + kDepth < end) {  // on their way while this slice is used
      next_a = a(first_row + at_a.i, l + kDepth + at_a.l);
      next_b = b(first_column + at_b.i, l + kDepth + at_b.l);
    }
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
      const Pack<float, kSide> x = load<16>(&slice_a[d][row]), y = load<16>(&slice_b[d][column]);
#pragma unroll
      for (int i = 0; i < kSide; ++i)
#pragma unroll
        for (int j = 0; j < kSide; ++j) sum[i].lane[j] += x.lane[i] * y.lane[j];
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < kSide; ++i) out(part, first_row + row + i, first_column + column, sum[i]);
}

// Block (x, y, z): tile (x, y), part z of k.
template <class A, class B, class T, class Rows>
__global__ void __launch_bounds__(kTileThreads, kTileBlocks<T>)
    tiled_product(uint32_t k, uint32_t k_a_part, A a, B b, Epilogue<T, Rows> out) {
  multiply_tile(blockIdx.z, k, k_a_part, a, b, out);
}

// Adds the parts in order: thread (x, y) takes parts y, y + 8, ... of V elements; then the 8 sums are added.
template <int V, class T, class Rows>
__global__ void __launch_bounds__(kWarp* kFinishGroups)
    finish_product(uint32_t parts, int64_t count, const float* __restrict__ sums, Epilogue<T, Rows> out) {
  alignas(16) __shared__ Pack<float, V> groups[kFinishGroups][kWarp];
  const int64_t element = (static_cast<int64_t>(blockIdx.x) * kWarp + threadIdx.x) * V;
  Pack<float, V> sum = {};
  if (element < count)
#pragma unroll 4
    for (uint32_t part = threadIdx.y; part < parts; part += kFinishGroups) {
      const Pack<float, V> more = load<V * sizeof(float)>(sums + part * count + element);
#pragma unroll
      for (int e = 0; e < V; ++e) sum.lane[e] += more.lane[e];
    }
  store_shared<V * sizeof(float)>(groups[threadIdx.y][threadIdx.x].lane, sum);
  __syncthreads();
  if (threadIdx.y != 0 || element >= count) return;
  for (int group = 1; group < kFinishGroups; ++group) {
    const Pack<float, V> more = load<V * sizeof(float)>(groups[group][threadIdx.x].lane);
#pragma unroll
    for (int e = 0; e < V; ++e) sum.lane[e] += more.lane[e];
  }
  out.finish(static_cast<uint32_t>(element / out.n), static_cast<uint32_t>(element % out.n), sum);
}

}  // namespace SACCADE_TARGET
}  // namespace saccade
