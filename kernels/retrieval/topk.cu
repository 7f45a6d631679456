#include <algorithm>

#include "kernels/common/launch.h"
#include "kernels/common/reduce.h"
#include "kernels/common/vector.h"
#include "kernels/retrieval/topk.h"
#include "kernels/retrieval/topk.plain.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kPer = 4;                          // columns of a chunk that a thread takes
constexpr int kChunk = kThreads * kPer;          // columns that a block takes at a time
constexpr int64_t kShared = 1024;                // the largest k whose two lists fit in shared memory
constexpr int64_t kScratch = int64_t{64} << 20;  // bytes of the lists that do not fit there

// An item is one 64-bit key. Comparing keys compares values first, then indices, so no two items are equal
// and the result does not depend on the order of the work. Numbers keep their order (inverted where the
// largest are wanted); a NaN comes after them, and an empty place last of all.
constexpr uint64_t kEmpty = ~uint64_t{0};
constexpr uint32_t kNan = 0xfffffffeu;

template <class T>
__device__ __forceinline__ uint64_t key_of(bool largest, T value, uint32_t index) {
  const float v = static_cast<float>(value) + 0.0f;  // -0 becomes 0, its equal
  const uint32_t bits = __float_as_uint(v);
  uint32_t order = bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
  if (largest) order = ~order;
  return static_cast<uint64_t>(v != v ? kNan : order) << 32 | index;
}

template <class T>
__device__ __forceinline__ T value_of(bool largest, uint64_t key) {
  uint32_t order = static_cast<uint32_t>(key >> 32);
  if (order >= kNan) return static_cast<T>(__uint_as_float(0x7fc00000u));
  if (largest) order = ~order;
  return static_cast<T>(__uint_as_float(order ^ (order >> 31 ? 0x80000000u : 0xffffffffu)));
}

// The number of keys below `key` in a sorted list.
__device__ __forceinline__ uint32_t count_below(const uint64_t* list, uint32_t size, uint64_t key) {
  uint32_t low = 0;
  while (size > 0) {
    const uint32_t half = size / 2;
    if (list[low + half] < key) {
      low += half + 1;
      size -= half + 1;
    } else {
      size = half;
    }
  }
  return low;
}

// Sorts keys[0..size), size a power of two: the bitonic network.
__device__ __forceinline__ void sort_keys(uint64_t* keys, uint32_t size) {
  for (uint32_t run = 2; run <= size; run *= 2)
    for (uint32_t step = run / 2; step > 0; step /= 2) {
      for (uint32_t i = threadIdx.x; i < size / 2; i += kThreads) {
        const uint32_t low = i / step * 2 * step + i % step, high = low + step;
        const uint64_t a = keys[low], b = keys[high];
        if ((a > b) == ((low & run) == 0)) keys[low] = b, keys[high] = a;
      }
      __syncthreads();
    }
}

// A block takes a row. Its k best so far stand sorted in one of two lists. Of each chunk of columns the block
// keeps only those that come before the last of the k, sorts them and merges both into the other list: a
// key's place there is its own rank plus the number of keys below it among the others.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    topk_update(uint32_t columns, uint32_t first_column, uint32_t k, bool largest, const T* __restrict__ x,
                int64_t pitch, uint64_t* lists, T* __restrict__ values, int64_t* __restrict__ indices) {
  __shared__ uint64_t candidates[kChunk];
  __shared__ uint32_t warp_counts[kWarps];
  const uint32_t warp = threadIdx.x / kWarp, lanes_below = (1u << threadIdx.x % kWarp) - 1u;
  uint64_t* best = lists ? lists + static_cast<int64_t>(blockIdx.x) * 2 * k : dynamic_shared<uint64_t>();
  uint64_t* next = best + k;
  x += blockIdx.x * pitch;
  values += static_cast<int64_t>(blockIdx.x) * k;
  indices += static_cast<int64_t>(blockIdx.x) * k;
  for (uint32_t i = threadIdx.x; i < k; i += kThreads)
    best[i] = indices[i] < 0 ? kEmpty : key_of(largest, values[i], static_cast<uint32_t>(indices[i]));
  __syncthreads();

  for (uint32_t chunk = 0; chunk < columns; chunk += kChunk) {
    const uint64_t last = best[k - 1];
    uint64_t key[kPer];
    unsigned enters[kPer];
    uint32_t count = 0;
#pragma unroll
    for (int p = 0; p < kPer; p += V) {
      // A thread takes vectors of V neighbors; with V = 1 the lanes of a warp take neighbors.
      const uint32_t c = chunk + (V > 1 ? threadIdx.x * V : p * kThreads + threadIdx.x);
      Pack<T, V> value = {};
      if (c < columns) value = load<V * sizeof(T)>(x + c);
#pragma unroll
      for (int e = 0; e < V; ++e) {
        key[p + e] = c < columns ? key_of(largest, value.lane[e], first_column + c + e) : kEmpty;
        enters[p + e] = __ballot_sync(kAllLanes, key[p + e] < last);
        count += static_cast<uint32_t>(__popc(enters[p + e]));
      }
    }
    if (threadIdx.x % kWarp == 0) warp_counts[warp] = count;
    __syncthreads();
    uint32_t place = 0, total = 0;
#pragma unroll
    for (uint32_t w = 0; w < kWarps; ++w) {
      if (w < warp) place += warp_counts[w];
      total += warp_counts[w];
    }
    if (total == 0) {  // all threads of the block agree
      __syncthreads();
      continue;
    }
    uint32_t size = 1;
    while (size < total) size *= 2;
#pragma unroll
    for (int p = 0; p < kPer; ++p) {
      if (key[p] < last) candidates[place + static_cast<uint32_t>(__popc(enters[p] & lanes_below))] = key[p];
      place += static_cast<uint32_t>(__popc(enters[p]));
    }
    for (uint32_t i = total + threadIdx.x; i < size; i += kThreads) candidates[i] = kEmpty;
    __syncthreads();
    sort_keys(candidates, size);
    for (uint32_t i = threadIdx.x; i < k; i += kThreads) {
      const uint32_t to = i + count_below(candidates, total, best[i]);
      if (to < k) next[to] = best[i];
    }
    for (uint32_t i = threadIdx.x; i < total && i < k; i += kThreads) {
      const uint32_t to = i + count_below(best, k, candidates[i]);
      if (to < k) next[to] = candidates[i];
    }
    __syncthreads();
    uint64_t* const before = best;
    best = next;
    next = before;
  }
  for (uint32_t i = threadIdx.x; i < k; i += kThreads) {
    values[i] = value_of<T>(largest, best[i]);
    indices[i] = best[i] == kEmpty ? int64_t{-1} : static_cast<int64_t>(static_cast<uint32_t>(best[i]));
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    topk_clear(int64_t count, T* __restrict__ values, int64_t* __restrict__ indices) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  values[i] = static_cast<T>(__uint_as_float(0x7fc00000u));
  indices[i] = -1;
}

}  // namespace

template <>
template <class T>
void TopK<kGpu>::clear(Context& context, int64_t rows, int64_t k, T* values, int64_t* indices) {
  check_element<T>(context);
  launch(topk_clear<T>, blocks_for(rows * k, kThreads), kThreads, 0, context.stream(), rows * k, values,
         indices);
}
template void TopK<kGpu>::clear(Context&, int64_t, int64_t, float*, int64_t*);
template void TopK<kGpu>::clear(Context&, int64_t, int64_t, bf16*, int64_t*);

template <>
template <class T>
void TopK<kGpu>::update(Context& context, int64_t rows, int64_t columns, int64_t first, int64_t k,
                        bool largest, const T* x, int64_t pitch, T* values, int64_t* indices) {
  check_element<T>(context);
  constexpr int64_t kMost = (int64_t{1} << 32) - 1 - kChunk;
  check(first >= 0 && columns >= 0 && first + columns < kMost && k < kMost, "topk: ", first + columns,
        " columns are too many for one launch");
  if (k == 0 || rows == 0 || columns == 0) return;
  if (context.kernels == Kernels::plain)
    return each(context, rows, PlainTopK<T>{columns, first, k, largest, x, pitch, values, indices});
  const bool vectorized = columns % kPer == 0 && pitch % kPer == 0 && aligned(x, kPer * sizeof(T));
  const int64_t row_bytes = 2 * k * static_cast<int64_t>(sizeof(uint64_t));
  const bool in_shared = k <= kShared;
  const int64_t together = in_shared ? rows : std::clamp<int64_t>(kScratch / row_bytes, 1, rows);
  Context::Scratch scratch(context, in_shared ? 0 : static_cast<size_t>(together * row_bytes));
  for (int64_t row = 0; row < rows; row += together)
    launch(vectorized ? topk_update<T, kPer> : topk_update<T, 1>,
           blocks_for(std::min(together, rows - row), 1), kThreads,
           in_shared ? static_cast<size_t>(row_bytes) : 0, context.stream(), static_cast<uint32_t>(columns),
           static_cast<uint32_t>(first), static_cast<uint32_t>(k), largest, x + row * pitch, pitch,
           in_shared ? nullptr : scratch.as<uint64_t>(), values + row * k, indices + row * k);
}
template void TopK<kGpu>::update(Context&, int64_t, int64_t, int64_t, int64_t, bool, const float*, int64_t,
                                 float*, int64_t*);
template void TopK<kGpu>::update(Context&, int64_t, int64_t, int64_t, int64_t, bool, const bf16*, int64_t,
                                 bf16*, int64_t*);

template <>
template <class T>
void TopK<kGpu>::forward(Context& context, int64_t rows, int64_t columns, int64_t k, bool largest, const T* x,
                         T* values, int64_t* indices) {
  check(0 <= k && k <= columns, "topk: k = ", k, " of ", columns, " columns");
  clear(context, rows, k, values, indices);
  update(context, rows, columns, 0, k, largest, x, columns, values, indices);
}
template void TopK<kGpu>::forward(Context&, int64_t, int64_t, int64_t, bool, const float*, float*, int64_t*);
template void TopK<kGpu>::forward(Context&, int64_t, int64_t, int64_t, bool, const bf16*, bf16*, int64_t*);

}  // namespace saccade
