#include "kernels/rows/gather.h"

#include <bit>
#include <utility>

#include "kernels/common/reduce.h"
#include "kernels/rows/gather.plain.h"
#include "kernels/rows/move_rows.h"

namespace saccade {

namespace {

// scatter_add sorts the numbers k = 0..picked-1 by their row index[k], so that the k of a row stand side by
// side and rise, and then sums row by row: no atomics, one order. It is a radix sort from the lowest digit
// up; each pass keeps the order of equal digits:
//   count   each block counts the digits of its tile of keys,
//   scan    turns counts[digit][block] into the place where that block's keys of that digit begin,
//   place   each block writes its keys there, in their order.

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kDigitBits = 8;
constexpr uint32_t kDigits = 1u << kDigitBits;
constexpr int kRounds = 8;                      // keys of a thread
constexpr uint32_t kTile = kThreads * kRounds;  // keys of a block: each warp takes kWarp * kRounds neighbors
constexpr unsigned kScanThreads = 1024;
static_assert(kDigits == kThreads, "a block has a thread for each digit");

struct Keys {
  uint32_t* key;    // the row, or `rows` where the index is outside
  uint32_t* place;  // k
};

__global__ void __launch_bounds__(kThreads)
    scatter_keys(uint32_t picked, int64_t rows, const int64_t* __restrict__ index, Keys out) {
  const uint32_t k = blockIdx.x * kThreads + threadIdx.x;
  if (k >= picked) return;
  const int64_t row = index[k];
  out.key[k] = static_cast<uint32_t>(row >= 0 && row < rows ? row : rows);
  out.place[k] = k;
}

// The lanes of this warp that hold a key with the same digit as the calling lane.
__device__ __forceinline__ unsigned lanes_with(uint32_t digit, bool holds) {
  unsigned lanes = __ballot_sync(kAllLanes, holds);
#pragma unroll
  for (int bit = 0; bit < kDigitBits; ++bit) {
    const bool set = (digit >> bit & 1u) != 0;
    const unsigned vote = __ballot_sync(kAllLanes, set);
    lanes &= set ? vote : ~vote;
  }
  return lanes;
}

// counts[warp][digit] = the number of keys with that digit in the warp's part of the block's tile.
__device__ __forceinline__ void count_tile(uint32_t picked, int shift, const uint32_t* key,
                                           uint32_t (*counts)[kDigits]) {
  const uint32_t warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
#pragma unroll
  for (int w = 0; w < kWarps; ++w) counts[w][threadIdx.x] = 0;
  __syncthreads();
  const uint32_t first = blockIdx.x * kTile + warp * kWarp * kRounds + lane;
  for (int round = 0; round < kRounds; ++round) {
    const uint32_t k = first + round * kWarp;
    const uint32_t digit = k < picked ? key[k] >> shift & (kDigits - 1) : 0;
    const unsigned lanes = lanes_with(digit, k < picked);
    // The first lane of each digit counts for all lanes with it.
    if (k < picked && (lanes & ((1u << lane) - 1)) == 0) counts[warp][digit] += __popc(lanes);
    __syncwarp();
  }
  __syncthreads();
}

__global__ void __launch_bounds__(kThreads)
    scatter_count(uint32_t picked, int shift, const uint32_t* __restrict__ key,
                  uint32_t* __restrict__ totals) {
  __shared__ uint32_t counts[kWarps][kDigits];
  count_tile(picked, shift, key, counts);
  uint32_t total = 0;
#pragma unroll
  for (int w = 0; w < kWarps; ++w) total += counts[w][threadIdx.x];
  totals[threadIdx.x * gridDim.x + blockIdx.x] = total;
}

// Replaces totals[i] by the sum of all totals before it. Runs as one block.
__global__ void __launch_bounds__(kScanThreads) scatter_scan(uint32_t count, uint32_t* totals) {
  __shared__ uint32_t warps[kScanThreads / kWarp];
  const uint32_t warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  uint32_t before = 0;
  for (uint32_t first = 0; first < count; first += kScanThreads) {
    const uint32_t i = first + threadIdx.x;
    const uint32_t own = i < count ? totals[i] : 0;
    uint32_t sum = own;  // becomes the sum of the lanes up to this one
#pragma unroll
    for (unsigned step = 1; step < kWarp; step *= 2) {
      const uint32_t other = __shfl_up_sync(kAllLanes, sum, step);
      if (lane >= step) sum += other;
    }
    if (lane == kWarp - 1) warps[warp] = sum;
    __syncthreads();
    uint32_t all = 0;
    for (uint32_t w = 0; w < kScanThreads / kWarp; ++w) {
      if (w < warp) sum += warps[w];
      all += warps[w];
    }
    if (i < count) totals[i] = before + sum - own;
    before += all;
    __syncthreads();
  }
}

__global__ void __launch_bounds__(kThreads)
    scatter_place(uint32_t picked, int shift, Keys in, const uint32_t* __restrict__ totals, Keys out) {
  __shared__ uint32_t counts[kWarps][kDigits];
  count_tile(picked, shift, in.key, counts);
  uint32_t next = totals[threadIdx.x * gridDim.x + blockIdx.x];
#pragma unroll
  for (int w = 0; w < kWarps; ++w) {  // each count becomes the place of that warp's next key of the digit
    const uint32_t count = counts[w][threadIdx.x];
    counts[w][threadIdx.x] = next;
    next += count;
  }
  __syncthreads();
  const uint32_t warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const uint32_t first = blockIdx.x * kTile + warp * kWarp * kRounds + lane;
  for (int round = 0; round < kRounds; ++round) {
    const uint32_t k = first + round * kWarp;
    const uint32_t key = k < picked ? in.key[k] : 0, digit = key >> shift & (kDigits - 1);
    const unsigned lanes = lanes_with(digit, k < picked), lower = lanes & ((1u << lane) - 1);
    const uint32_t start = counts[warp][digit];
    __syncwarp();
    if (k < picked) {
      out.key[start + __popc(lower)] = key;
      out.place[start + __popc(lower)] = in.place[k];
      if (lower == 0) counts[warp][digit] = start + __popc(lanes);
    }
    __syncwarp();
  }
}

// first[j] = the number of keys below j: row j owns places first[j] .. first[j + 1].
__global__ void __launch_bounds__(kThreads)
    scatter_first(uint32_t picked, uint32_t rows, const uint32_t* __restrict__ key,
                  uint32_t* __restrict__ first) {
  const uint32_t row = blockIdx.x * kThreads + threadIdx.x;
  if (row > rows) return;
  uint32_t low = 0, high = picked;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (key[middle] < row)
      low = middle + 1;
    else
      high = middle;
  }
  first[row] = low;
}

// A block is a tile of blockDim.x vectors of V columns and blockDim.y rows of y.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    scatter_sum(int64_t rows, int64_t width, const T* __restrict__ x, const uint32_t* __restrict__ first,
                const uint32_t* __restrict__ place, T* __restrict__ y) {
  const int64_t column = (static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * V;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (column >= width || row >= rows) return;
  const uint32_t end = first[row + 1];
  Pack<float, V> sum = {};
#pragma unroll 4
  for (uint32_t at = first[row]; at < end; ++at) {
    const Pack<float, V> term = to_f32(load<V * sizeof(T), Use::once>(x + place[at] * width + column));
#pragma unroll
    for (int i = 0; i < V; ++i) sum.lane[i] += term.lane[i];
  }
  store<V * sizeof(T)>(y + row * width + column, from_f32<T>(sum));
}

template <class T, int V>
void run_sum(Context& context, int64_t rows, int64_t width, const T* x, const uint32_t* first,
             const uint32_t* place, T* y) {
  const int64_t vectors = width / V;
  unsigned across = 1;
  while (across < kThreads && across < vectors) across *= 2;
  const int64_t tiles = (vectors + across - 1) / across;
  check(tiles < 65536, "scatter_add: rows of ", width, " elements are too long for one launch");
  const unsigned down = kThreads / across;
  launch(scatter_sum<T, V>, {blocks_for(rows, down), static_cast<unsigned>(tiles)}, dim3(across, down), 0,
         context.stream(), rows, width, x, first, place, y);
}

// Sorts by the lowest `bits` of the keys; `spare` is memory of the same size.
// Returns the one of both that holds the result.
Keys sort(Context& context, uint32_t picked, int bits, Keys keys, Keys spare, uint32_t* totals) {
  const unsigned blocks = blocks_for(picked, kTile);
  for (int shift = 0; shift < bits; shift += kDigitBits) {
    launch(scatter_count, blocks, kThreads, 0, context.stream(), picked, shift, keys.key, totals);
    launch(scatter_scan, 1, kScanThreads, 0, context.stream(), blocks * kDigits, totals);
    launch(scatter_place, blocks, kThreads, 0, context.stream(), picked, shift, keys, totals, spare);
    std::swap(keys, spare);
  }
  return keys;
}

}  // namespace

template <>
template <class T>
void Gather<kGpu>::gather(Context& context, int64_t rows, int64_t picked, int64_t width, const T* x,
                          const int64_t* index, T* y) {
  check_element<T>(context);
  if (context.kernels == Kernels::plain)
    return each(context, picked * width, PlainGather<T>{rows, width, x, index, y});
  const int64_t bytes = width * static_cast<int64_t>(sizeof(T));
  move_rows(context, {picked, bytes, x, rows, y, index});
}
template void Gather<kGpu>::gather(Context&, int64_t, int64_t, int64_t, const float*, const int64_t*, float*);
template void Gather<kGpu>::gather(Context&, int64_t, int64_t, int64_t, const bf16*, const int64_t*, bf16*);

template <>
template <class T>
void Gather<kGpu>::scatter_add(Context& context, int64_t rows, int64_t picked, int64_t width, const T* x,
                               const int64_t* index, T* y) {
  check_element<T>(context);
  if (context.kernels == Kernels::plain)
    return each(context, rows * width, PlainScatterAdd<T>{picked, width, x, index, y});
  check(rows < int64_t{1} << 31 && picked < int64_t{1} << 31, "scatter_add: ", picked, " rows into ", rows,
        " are too many");
  if (rows == 0 || width == 0) return;
  const uint32_t count = static_cast<uint32_t>(picked), last = static_cast<uint32_t>(rows);
  const size_t counts = static_cast<size_t>(blocks_for(picked, kTile)) * kDigits;
  Context::Scratch scratch(context, (4 * static_cast<size_t>(picked) + counts + last + 1) * sizeof(uint32_t));
  uint32_t* words = scratch.as<uint32_t>();
  const Keys keys{words, words + picked}, spare{words + 2 * picked, words + 3 * picked};
  uint32_t *totals = words + 4 * picked, *first = totals + counts;
  launch(scatter_keys, blocks_for(picked, kThreads), kThreads, 0, context.stream(), count, rows, index, keys);
  const Keys sorted = sort(context, count, std::bit_width(last), keys, spare, totals);
  launch(scatter_first, blocks_for(rows + 1, kThreads), kThreads, 0, context.stream(), count, last,
         sorted.key, first);
  constexpr int kPerVector = kVector<T, true>;
  if (width % kPerVector == 0 && aligned(x, 16) && aligned(y, 16))
    run_sum<T, kPerVector>(context, rows, width, x, first, sorted.place, y);
  else
    run_sum<T, 1>(context, rows, width, x, first, sorted.place, y);
}
template void Gather<kGpu>::scatter_add(Context&, int64_t, int64_t, int64_t, const float*, const int64_t*,
                                        float*);
template void Gather<kGpu>::scatter_add(Context&, int64_t, int64_t, int64_t, const bf16*, const int64_t*,
                                        bf16*);

}  // namespace saccade
