// Sums down the columns of a row-major matrix [rows, channels], in two stages whose order the shape decides.
// Stage one: a block is a tile of blockDim.x vectors of V channels and blockDim.y rows; a thread keeps its
// channels and walks down a part of the rows; column_value() then reads what the block's rows of threads
// hold. Stage two: blocks of {kColumns, kColumnThreads} threads join the parts, with column_total().
#pragma once

#include <algorithm>

#include "kernels/common/reduce.h"

namespace saccade {
inline namespace SACCADE_TARGET {

// The tile of a block: as many vectors side by side as the channels give, up to a warp's 32.
struct ColumnTile {
  unsigned x = 1, y, tiles;

  ColumnTile(int64_t vectors, unsigned threads) {
    while (x < kWarp && x < vectors) x *= 2;
    y = threads / x;
    tiles = static_cast<unsigned>((vectors + x - 1) / x);
    check(vectors < int64_t{65536} * kWarp, "too many channels for one launch");
  }
  dim3 block() const { return dim3(x, y); }

  // The rows of a part, a multiple of y, so that about `blocks` blocks share the matrix.
  int64_t rows_per_part(int64_t rows, int64_t blocks) const {
    const int64_t steps = (rows + y - 1) / y, parts = (blocks + tiles - 1) / tiles;
    return y * std::max<int64_t>(1, (steps + parts - 1) / parts);
  }
};

// A thread's vector of V values goes to its place in [blockDim.y][blockDim.x * V].
template <int V>
__device__ __forceinline__ void put_columns(float* shared, const Pack<float, V>& value) {
  store_lanes_shared(shared + thread_in_block() * V, value);
}

// What row `row` of the block's threads put for column `column` of the tile.
template <int V>
__device__ __forceinline__ float column_value(const float* shared, unsigned row, unsigned column) {
  return shared[row * blockDim.x * V + column];
}

constexpr unsigned kColumns = 8;         // of a block of stage two: 32 bytes, what one sector holds
constexpr unsigned kColumnThreads = 64;  // that share one of them

struct ColumnTotals {
  float values[kColumns][kColumnThreads + 4];  // padded: the writes of a warp fall into different banks
  float totals[kColumns];
};

// The sum of `value` over the threads that share threadIdx.x, for each of them. Holds two barriers, so that
// it may be called again at once.
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

}  // namespace SACCADE_TARGET
}  // namespace saccade
