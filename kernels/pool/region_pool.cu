#include <algorithm>
#include <vector>

#include "kernels/common/launch.h"
#include "kernels/common/reduce.h"
#include "kernels/common/vector.h"
#include "kernels/pool/region_pool.h"
#include "kernels/pool/region_pool.plain.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;
constexpr int kChannels = 32;     // channels of a block: runs of at least 64 bytes
constexpr int kUsualPieces = 16;  // pieces of an image, at least, which are read in parallel
constexpr int kMostPieces = 2 * kMostBands + kUsualPieces;
constexpr int kCells = 256;  // positions of a block of the gradient

struct Sizes {
  uint32_t batch, width, cells, channels;  // `cells` is height * width
  bool average, maximum;
};

// The rows of an image, cut into pieces so that each band is a run of pieces and every row is read once:
// piece p is rows [cut[p], cut[p + 1]), band k is pieces [begin[k], end[k]).
struct Pieces {
  uint32_t bands, count;
  uint32_t cut[kMostPieces + 1];
  uint8_t begin[kMostBands], end[kMostBands];
};

// The sums and maxima of a block's pieces in shared memory, each [pieces, kChannels].
struct PieceSums {
  float *sum, *best;
  int32_t* winner;

  __device__ explicit PieceSums(uint32_t pieces)
      : sum(dynamic_shared<float>()),
        best(sum + pieces * kChannels),
        winner(reinterpret_cast<int32_t*>(best + pieces * kChannels)) {}
  static size_t bytes(uint32_t pieces) { return pieces * kChannels * (2 * sizeof(float) + sizeof(int32_t)); }
};

// Reduces one vector of V channels over one piece.
template <class T, int V>
__device__ __forceinline__ void reduce_piece(const T* __restrict__ image, uint32_t channels, uint32_t begin,
                                             uint32_t end, const PieceSums& to, uint32_t slot) {
  Pack<float, V> sum = to_f32(load<V * sizeof(T)>(image + static_cast<int64_t>(begin) * channels)),
                 best = sum;
  Pack<int32_t, V> winner;
#pragma unroll
  for (int i = 0; i < V; ++i) winner.lane[i] = static_cast<int32_t>(begin);
#pragma unroll 4
  for (uint32_t q = begin + 1; q < end; ++q) {
    const Pack<float, V> value = to_f32(load<V * sizeof(T)>(image + static_cast<int64_t>(q) * channels));
#pragma unroll
    for (int i = 0; i < V; ++i) {
      sum.lane[i] += value.lane[i];
      const bool wins = value.lane[i] > best.lane[i];
      best.lane[i] = wins ? value.lane[i] : best.lane[i];
      winner.lane[i] = wins ? static_cast<int32_t>(q) : winner.lane[i];
    }
  }
  store_lanes_shared(to.sum + slot, sum);
  store_lanes_shared(to.best + slot, best);
  store_lanes_shared(to.winner + slot, winner);
}

// A block takes kChannels channels of one image. Its rows of threads reduce the pieces; then its threads join
// the pieces of each (band, channel), in order.
template <class T, int V>
__global__ void __launch_bounds__(kThreads, 3)
    region_pool_forward(Sizes s, Pieces pieces, const T* __restrict__ x, T* __restrict__ y,
                        int32_t* __restrict__ winner) {
  const PieceSums kept(pieces.count);
  const uint32_t first = blockIdx.y * kChannels, channel = first + threadIdx.x * V;
  if (channel < s.channels) {
    const T* image = x + static_cast<int64_t>(blockIdx.x) * s.cells * s.channels + channel;
    for (uint32_t p = threadIdx.y; p < pieces.count; p += blockDim.y)
      reduce_piece<T, V>(image, s.channels, pieces.cut[p] * s.width, pieces.cut[p + 1] * s.width, kept,
                         p * kChannels + threadIdx.x * V);
  }
  __syncthreads();
  for (uint32_t item = thread_in_block(); item < pieces.bands * kChannels; item += blockDim.x * blockDim.y) {
    const uint32_t k = item / kChannels, c = item % kChannels;
    if (first + c >= s.channels) continue;
    const uint32_t begin = pieces.begin[k], end = pieces.end[k];
    float sum = 0, best = kept.best[begin * kChannels + c];
    int32_t at = kept.winner[begin * kChannels + c];
    for (uint32_t p = begin; p < end; ++p) {
      sum += kept.sum[p * kChannels + c];
      const bool wins = kept.best[p * kChannels + c] > best;
      best = wins ? kept.best[p * kChannels + c] : best;
      at = wins ? kept.winner[p * kChannels + c] : at;
    }
    const float mean = sum / static_cast<float>((pieces.cut[end] - pieces.cut[begin]) * s.width);
    const int64_t out = (static_cast<int64_t>(k) * s.batch + blockIdx.x) * s.channels + first + c;
    y[out] = static_cast<T>((s.average ? mean : 0.0f) + (s.maximum ? best : 0.0f));
    if (s.maximum) winner[out] = at;
  }
}

// The gradient that the averages of the bands give to each position of image row `row`.
template <class T>
__device__ __forceinline__ float mean_gradient(const Sizes& s, const Bands& bands, uint32_t row,
                                               const T* __restrict__ grad, int64_t pitch) {
  float sum = 0;
  for (uint32_t k = 0; s.average && k < bands.count; ++k)
    // Unsigned: a row above the band wraps to far below it.
    if (row - bands.begin[k] < bands.end[k] - bands.begin[k])
      sum +=
          static_cast<float>(grad[k * pitch]) / static_cast<float>((bands.end[k] - bands.begin[k]) * s.width);
  return sum;
}

// A block takes kCells positions of one image and kChannels channels. One thread a channel and position sums
// the gradient in shared memory. blockIdx.x counts `parts` parts of each image.
template <class T, int V>
__global__ void __launch_bounds__(kThreads, 4)
    region_pool_backward(Sizes s, Bands bands, uint32_t parts, const T* __restrict__ grad_y,
                         const int32_t* __restrict__ winner, T* __restrict__ grad_x) {
  alignas(16) __shared__ float sums[kCells * kChannels];
  const uint32_t image = blockIdx.x / parts, begin = (blockIdx.x - image * parts) * kCells;
  const uint32_t end = begin + kCells < s.cells ? begin + kCells : s.cells;
  const uint32_t first = blockIdx.y * kChannels;
  const uint32_t c = threadIdx.x % kChannels, group = threadIdx.x / kChannels;
  const int64_t pitch = static_cast<int64_t>(s.batch) * s.channels;  // from one band to the next
  const int64_t out = static_cast<int64_t>(image) * s.channels + first + c;
  if (first + c < s.channels)
    for (uint32_t row = begin / s.width + group; row * s.width < end; row += kThreads / kChannels) {
      const float mean = mean_gradient(s, bands, row, grad_y + out, pitch);
      const uint32_t from = row * s.width < begin ? begin : row * s.width;
      const uint32_t to = (row + 1) * s.width < end ? (row + 1) * s.width : end;
      for (uint32_t q = from; q < to; ++q) sums[(q - begin) * kChannels + c] = mean;
    }
  __syncthreads();
  if (s.maximum && group == 0 && first + c < s.channels) {
#pragma unroll 4
    for (uint32_t k = 0; k < bands.count; ++k) {
      const uint32_t at = static_cast<uint32_t>(winner[k * pitch + out]) - begin;
      const float grad = static_cast<float>(grad_y[k * pitch + out]);
      if (at < end - begin) sums[at * kChannels + c] += grad;
    }
  }
  __syncthreads();
  constexpr uint32_t kVectors = kChannels / V;
  const uint32_t channel = threadIdx.x % kVectors * V;
  if (first + channel >= s.channels) return;
  for (uint32_t q = begin + threadIdx.x / kVectors; q < end; q += kThreads / kVectors) {
    const Pack<float, V> grad = load_lanes<V>(sums + (q - begin) * kChannels + channel);
    const int64_t at = (static_cast<int64_t>(image) * s.cells + q) * s.channels + first + channel;
    store<V * sizeof(T)>(grad_x + at, from_f32<T>(grad));
  }
}

Sizes sizes_of(const RegionShape& s) {
  constexpr int64_t kMost = int64_t{1} << 30;
  check(s.batch < kMost && s.height * s.width < kMost && s.channels < 65536 * kChannels,
        "region_pool: ", s.batch, " images of ", s.height, "x", s.width, " with ", s.channels,
        " channels are too many for one launch");
  const auto u = [](int64_t value) { return static_cast<uint32_t>(value); };
  return {u(s.batch), u(s.width), u(s.height * s.width), u(s.channels), s.average, s.maximum};
}

Pieces cut_rows(int64_t height, const RowRange* bands, int64_t count) {
  std::vector<uint32_t> ends;
  for (int64_t k = 0; k < count; ++k) {
    ends.push_back(static_cast<uint32_t>(bands[k].begin));
    ends.push_back(static_cast<uint32_t>(bands[k].end));
  }
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  Pieces pieces{};
  pieces.bands = static_cast<uint32_t>(count);
  const uint32_t most = static_cast<uint32_t>((height + kUsualPieces - 1) / kUsualPieces);
  for (size_t i = 0; i + 1 < ends.size(); ++i)
    for (uint32_t row = ends[i]; row < ends[i + 1]; row += most) pieces.cut[pieces.count++] = row;
  pieces.cut[pieces.count] = ends.back();
  const auto find = [&](int64_t row) {
    return static_cast<uint8_t>(
        std::lower_bound(pieces.cut, pieces.cut + pieces.count, static_cast<uint32_t>(row)) - pieces.cut);
  };
  for (int64_t k = 0; k < count; ++k)
    pieces.begin[k] = find(bands[k].begin), pieces.end[k] = find(bands[k].end);
  return pieces;
}

template <class T, int V>
void run_forward(Context& context, const RegionShape& shape, const T* x, T* y, int32_t* winner) {
  const Sizes s = sizes_of(shape);
  const unsigned vectors = kChannels / V;
  for (int64_t k = 0; k < shape.count; k += kMostBands) {
    const Pieces pieces =
        cut_rows(shape.height, shape.bands + k, std::min<int64_t>(kMostBands, shape.count - k));
    // A row of threads for each piece, in whole warps.
    const unsigned rows = std::min((pieces.count * vectors + kWarp - 1) / kWarp * kWarp / vectors,
                                   static_cast<unsigned>(kThreads) / vectors);
    const int64_t out = k * shape.batch * shape.channels;
    launch(region_pool_forward<T, V>, {s.batch, blocks_for(s.channels, kChannels)}, dim3(vectors, rows),
           PieceSums::bytes(pieces.count), context.stream(), s, pieces, x, y + out,
           winner ? winner + out : winner);
  }
}

template <class T>
void plain_forward(Context& context, const RegionShape& s, const T* x, T* y, int32_t* winner) {
  const int64_t outputs = s.batch * s.channels;
  for (int64_t k = 0; k < s.count; ++k)
    each(context, outputs,
         PlainRegionPool<T>{s, s.bands[k], x, y + k * outputs, winner ? winner + k * outputs : winner});
}

Bands bands_of(const RegionShape& s) {
  check(s.count <= kMostBands, "region_pool: the gradient takes up to ", kMostBands, " bands, not ", s.count);
  Bands bands{};
  bands.count = static_cast<uint32_t>(s.count);
  for (uint32_t k = 0; k < bands.count; ++k) {
    bands.begin[k] = static_cast<uint32_t>(s.bands[k].begin);
    bands.end[k] = static_cast<uint32_t>(s.bands[k].end);
  }
  return bands;
}

template <class T, int V>
void run_backward(Context& context, const RegionShape& shape, const T* grad_y, const int32_t* winner,
                  T* grad_x) {
  const Sizes s = sizes_of(shape);
  const unsigned parts = blocks_for(s.cells, kCells);
  launch(region_pool_backward<T, V>,
         {blocks_for(static_cast<int64_t>(parts) * s.batch, 1), blocks_for(s.channels, kChannels)}, kThreads,
         0, context.stream(), s, bands_of(shape), parts, grad_y, winner, grad_x);
}

}  // namespace

template <>
template <class T>
void RegionPool<kGpu>::forward(Context& context, const RegionShape& s, const T* x, T* y, int32_t* winner) {
  check_element<T>(context);
  if (context.kernels == Kernels::plain) return plain_forward(context, s, x, y, winner);
  constexpr int kPerVector = kVector<T, true>;
  const auto run =
      s.channels % kPerVector == 0 && aligned(x, 16) ? run_forward<T, kPerVector> : run_forward<T, 1>;
  run(context, s, x, y, winner);
}
template void RegionPool<kGpu>::forward(Context&, const RegionShape&, const float*, float*, int32_t*);
template void RegionPool<kGpu>::forward(Context&, const RegionShape&, const bf16*, bf16*, int32_t*);

template <>
template <class T>
void RegionPool<kGpu>::backward(Context& context, const RegionShape& s, const T* grad_y,
                                const int32_t* winner, T* grad_x) {
  check_element<T>(context);
  if (context.kernels == Kernels::plain)
    return each(context, s.batch * s.height * s.width * s.channels,
                PlainRegionPoolGradient<T>{s, bands_of(s), grad_y, winner, grad_x});
  constexpr int kPerVector = kVector<T, true>;
  const auto run =
      s.channels % kPerVector == 0 && aligned(grad_x, 16) ? run_backward<T, kPerVector> : run_backward<T, 1>;
  run(context, s, grad_y, winner, grad_x);
}
template void RegionPool<kGpu>::backward(Context&, const RegionShape&, const float*, const int32_t*, float*);
template void RegionPool<kGpu>::backward(Context&, const RegionShape&, const bf16*, const int32_t*, bf16*);

}  // namespace saccade
