// Sums down the columns of a row-major matrix [rows, channels], in two stages. The shape alone decides their order.
//
// Stage one: a block is a ColumnTile, number blockIdx.y of those that lie side by side: blockDim.x vectors of V
// channels and blockDim.y rows of threads. A thread keeps its channels and walks down the rows of its part. What the
// rows of threads then hold is added in shared memory, one thread for each channel:
//
//   alignas(16) __shared__ float sums[V * kThreads];
//   const uint32_t channel = (blockIdx.y * blockDim.x + threadIdx.x) * V;
//   ... `sum`, a Pack<float, V> for the channels from `channel` on ...
//   put_columns(sums, sum);
//   __syncthreads();
//   if (!owns_channel<V>(channels)) return;
//   partial[part * channels + own_channel<V>()] = column_sum<V>(sums);
//
// Stage two: join_parts() adds the parts. A kernel that joins more than a plain sum uses column_total().
#pragma once

#include <algorithm>

#include "kernels/common/reduce.h"

namespace saccade {
inline namespace SACCADE_TARGET {

// The tile of a block: as many vectors side by side as the channels give, up to a warp's 32, and `threads` threads in
// all. `tiles` of them cover the channels.
struct ColumnTile {
  unsigned x = 1, y, tiles;

  ColumnTile(int64_t vectors, unsigned threads) {
    while (x < kWarp && x < vectors) x *= 2;
    y = threads / x;
    tiles = static_cast<unsigned>((vectors + x - 1) / x);
    check(vectors < int64_t{65536} * kWarp, vectors, " vectors of columns are too many for one launch");
  }
  dim3 block() const { return dim3(x, y); }

  // The rows of a part, a multiple of y, so that about `blocks` blocks share the matrix.
  int64_t rows_per_part(int64_t rows, int64_t blocks) const {
    const int64_t steps = (rows + y - 1) / y, parts = (blocks + tiles - 1) / tiles;
    return y * std::max<int64_t>(1, (steps + parts - 1) / parts);
  }
};

// The thread's number in its tile.
__device__ __forceinline__ unsigned thread_in_tile() {
  return threadIdx.y * blockDim.x + threadIdx.x;
}

// Puts a thread's vector of V values in its place in [blockDim.y][blockDim.x * V]. Of eight values a store takes
// four, and eight threads store at a time: the second four of them begin with their second halves, so that all
// banks are reached.
template <int V>
__device__ __forceinline__ void put_columns(float* shared, const Pack<float, V>& value) {
  float* const to = shared + thread_in_tile() * V;
  if constexpr (V == 8) {
    const bool swapped = thread_in_tile() / 4 % 2 != 0;
    Pack<float, 4> first, second;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      first.lane[i] = swapped ? value.lane[i + 4] : value.lane[i];
      second.lane[i] = swapped ? value.lane[i] : value.lane[i + 4];
    }
    store_lanes_shared(to + (swapped ? 4 : 0), first);
    store_lanes_shared(to + (swapped ? 0 : 4), second);
  } else {
    store_lanes_shared(to, value);
  }
}

// The one channel that a thread adds, and whether there is one: thread t of the tile has the tile's channel t.
template <int V>
__device__ __forceinline__ uint32_t own_channel() {
  return blockIdx.y * blockDim.x * V + thread_in_tile();
}
template <int V>
__device__ __forceinline__ bool owns_channel(uint32_t channels) {
  return thread_in_tile() < blockDim.x * V && own_channel<V>() < channels;
}

// What row `row` of the block's threads put for a thread's own channel.
template <int V>
__device__ __forceinline__ float column_value(const float* shared, unsigned row) {
  return shared[row * blockDim.x * V + thread_in_tile()];
}

// What the block's rows of threads put for a thread's own channel, added from the first row to the last.
template <int V>
__device__ __forceinline__ float column_sum(const float* shared) {
  float total = 0;
  for (unsigned row = 0; row < blockDim.y; ++row) total += column_value<V>(shared, row);
  return total;
}

// The same for two arrays at once.
template <int V>
__device__ __forceinline__ Pack<float, 2> column_sums(const float* first, const float* second) {
  Pack<float, 2> totals = {};
  for (unsigned row = 0; row < blockDim.y; ++row) {
    totals.lane[0] += column_value<V>(first, row);
    totals.lane[1] += column_value<V>(second, row);
  }
  return totals;
}

constexpr unsigned kColumns = 8;         // columns of a block of stage two: 32 bytes, what one sector holds
constexpr unsigned kColumnThreads = 64;  // threads that share one of them

struct ColumnTotals {
  float values[kColumns][kColumnThreads + 4];  // padded: the writes of a warp fall into different banks
  float totals[kColumns];
};

// The sum of `value` over the threads that share threadIdx.x, for each of them, in a block of {kColumns,
// kColumnThreads} threads. Every thread must call it. It holds two barriers, so that it may be called again at once.
__device__ __forceinline__ float column_total(ColumnTotals& shared, float value) {
  shared.values[threadIdx.x][threadIdx.y] = value;
  __syncthreads();
  const unsigned warp = thread_in_block() / kWarp, lane = thread_in_block() % kWarp;
  if (warp < kColumns) {
    const float total = warp_reduce(shared.values[warp][lane] + shared.values[warp][lane + kWarp], Add());
    if (lane == 0) shared.totals[warp] = total;
  }
  __syncthreads();
  return shared.totals[threadIdx.x];
}

// y[o,c] = scale * sum over p of partial[o,p,c]. Blocks of {kColumns, kColumnThreads} threads; o is blockIdx.y.
template <class Y>
__global__ void __launch_bounds__(kColumns* kColumnThreads)
    sum_parts(uint32_t channels, uint32_t parts, const float* __restrict__ partial, float scale,
              Y* __restrict__ y) {
  __shared__ ColumnTotals totals;
  const uint32_t channel = blockIdx.x * kColumns + threadIdx.x;
  const float* const from = partial + static_cast<int64_t>(blockIdx.y) * parts * channels + channel;
  float sum = 0;
  if (channel < channels) {
#pragma unroll 4
    for (uint32_t part = threadIdx.y; part < parts; part += kColumnThreads)
      sum += from[static_cast<int64_t>(part) * channels];
  }
  const float total = column_total(totals, sum);
  if (channel < channels && threadIdx.y == 0)
    y[static_cast<int64_t>(blockIdx.y) * channels + channel] = static_cast<Y>(scale * total);
}

// Stage two of a plain sum: y[o,c] = scale * sum over p of partial[o,p,c]. partial [outer, parts, channels].
template <class Y>
void join_parts(Context& context, int64_t outer, int64_t channels, int64_t parts, const float* partial,
                float scale, Y* y, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const Grid grid(blocks_for(channels, kColumns), static_cast<unsigned>(outer), 1, file, line);
  launch(sum_parts<Y>, grid, dim3(kColumns, kColumnThreads), 0, context.stream(), channels, parts, partial,
         scale, y);
}

}  // namespace SACCADE_TARGET
}  // namespace saccade
