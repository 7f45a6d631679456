#include "kernels/common/columns.h"
#include "kernels/pool/bin_pool.h"
#include "kernels/pool/bin_pool.plain.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;
// Of the forward pass: without this bound the compiler spilled a few bytes to fit one block more on a multiprocessor.
[[maybe_unused]] constexpr int kBlocksPerSm = 4;
constexpr uint32_t kOwnCells = 8;  // cells of a thread of the backward pass, which divides once for all

struct Sizes {
  uint32_t batch, time, height, width, channels, bin_t, bin_h, bin_w, bin_cells;

  __device__ bool holds(const int32_t* corner) const {
    return corner[0] >= 0 && corner[0] + bin_t <= time && corner[1] >= 0 && corner[1] + bin_h <= height &&
           corner[2] >= 0 && corner[2] + bin_w <= width;
  }
  // The cell of a sample's volume that is number `i` of the bin at `corner`.
  __device__ uint32_t bin_cell(const int32_t* corner, uint32_t i) const {
    const uint32_t row = i / bin_w, w = i - row * bin_w, t = row / bin_h, h = row - t * bin_h;
    return ((corner[0] + t) * height + corner[1] + h) * width + corner[2] + w;
  }
};

__device__ __forceinline__ float not_a_number() {
  return __uint_as_float(0x7fc00000u);
}

// A block: one tile of channels (kernels/common/columns.h) of sample blockIdx.x; its rows of threads share the cells.
template <class T, int V>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    bin_pool_forward(Sizes s, const T* __restrict__ features, const int32_t* __restrict__ corners,
                     T* __restrict__ output) {
  alignas(16) __shared__ float sums[V * kThreads];
  const uint32_t channel = (blockIdx.y * blockDim.x + threadIdx.x) * V;
  const int32_t* corner = corners + 3 * static_cast<int64_t>(blockIdx.x);
  const bool held = s.holds(corner);
  const T* volume =
      features + static_cast<int64_t>(blockIdx.x) * s.time * s.height * s.width * s.channels + channel;

  Pack<float, V> sum = {};
  if (channel < s.channels && held) {
#pragma unroll 4
    for (uint32_t i = threadIdx.y; i < s.bin_cells; i += blockDim.y) {
      const int64_t cell = s.bin_cell(corner, i);
      const Pack<float, V> x = to_f32(load<V * sizeof(T)>(volume + cell * s.channels));
#pragma unroll
      for (int lane = 0; lane < V; ++lane) sum.lane[lane] += x.lane[lane];
    }
  }
  put_columns(sums, sum);
  __syncthreads();
  if (!owns_channel<V>(s.channels)) return;
  const float mean = held ? column_sum<V>(sums) / static_cast<float>(s.bin_cells) : not_a_number();
  output[static_cast<int64_t>(blockIdx.x) * s.channels + own_channel<V>()] = static_cast<T>(mean);
}

// A thread writes V channels of kOwnCells cells of sample blockIdx.z:
// those in the bin all get the same, the others 0.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    bin_pool_backward(Sizes s, const T* __restrict__ grad_output, const int32_t* __restrict__ corners,
                      T* __restrict__ grad_features) {
  const uint32_t cells = s.time * s.height * s.width, channel = (blockIdx.y * blockDim.x + threadIdx.x) * V;
  if (channel >= s.channels) return;
  const uint32_t first = blockIdx.x * blockDim.y * kOwnCells + threadIdx.y;
  for (uint32_t n = blockIdx.z; n < s.batch; n += gridDim.z) {
    const int32_t* corner = corners + 3 * static_cast<int64_t>(n);
    const uint32_t t0 = corner[0], h0 = corner[1], w0 = corner[2];
    const bool held = s.holds(corner);
    Pack<float, V> share =
        to_f32(load<V * sizeof(T)>(grad_output + static_cast<int64_t>(n) * s.channels + channel));
    Pack<float, V> none;
#pragma unroll
    for (int i = 0; i < V; ++i) {
      share.lane[i] = held ? share.lane[i] / static_cast<float>(s.bin_cells) : not_a_number();
      none.lane[i] = held ? 0.0f : not_a_number();
    }
    const Pack<T, V> inside = from_f32<T>(share), outside = from_f32<T>(none);
    T* const volume = grad_features + static_cast<int64_t>(n) * cells * s.channels + channel;
#pragma unroll
    for (uint32_t i = 0; i < kOwnCells; ++i) {
      const uint32_t cell = first + i * blockDim.y, row = cell / s.width, t = row / s.height;
      // Unsigned: a position below the corner wraps to far above the bin.
      const bool in_bin =
          t - t0 < s.bin_t && row - t * s.height - h0 < s.bin_h && cell - row * s.width - w0 < s.bin_w;
      if (cell < cells)
        store<V * sizeof(T)>(volume + static_cast<int64_t>(cell) * s.channels, in_bin ? inside : outside);
    }
  }
}

// Adds the gradient to the cells of the bin and leaves all others alone.
// A thread takes V channels of one cell.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    bin_pool_backward_add(Sizes s, const T* __restrict__ grad_output, const int32_t* __restrict__ corners,
                          T* __restrict__ grad_features) {
  const uint32_t vectors = s.channels / V, cells = s.time * s.height * s.width;
  const uint32_t item = blockIdx.x * kThreads + threadIdx.x;
  const uint32_t number = item / vectors, channel = (item - number * vectors) * V;
  if (number >= s.bin_cells) return;
  for (uint32_t n = blockIdx.y; n < s.batch; n += gridDim.y) {
    const int32_t* corner = corners + 3 * static_cast<int64_t>(n);
    const bool held = s.holds(corner);
    const uint32_t cell = held ? s.bin_cell(corner, number) : number;
    T* at = grad_features + (static_cast<int64_t>(n) * cells + cell) * s.channels + channel;
    const Pack<float, V> grad =
        to_f32(load<V * sizeof(T)>(grad_output + static_cast<int64_t>(n) * s.channels + channel));
    Pack<float, V> sum = to_f32(load<V * sizeof(T)>(at));
#pragma unroll
    for (int i = 0; i < V; ++i)
      sum.lane[i] = held ? sum.lane[i] + grad.lane[i] / static_cast<float>(s.bin_cells) : not_a_number();
    store<V * sizeof(T)>(at, from_f32<T>(sum));
  }
}

Sizes sizes_of(const BinPoolShape& s) {
  constexpr int64_t kMost = int64_t{1} << 31;
  check(s.batch < kMost && s.cells() * s.channels < kMost, "bin_pool: a volume of ", s.cells(), " cells and ",
        s.channels, " channels is too large for one launch");
  const auto u = [](int64_t value) { return static_cast<uint32_t>(value); };
  return {u(s.batch), u(s.time),  u(s.height), u(s.width),      u(s.channels),
          u(s.bin_t), u(s.bin_h), u(s.bin_w),  u(s.bin_cells())};
}

template <class T, int V>
void run_forward(Context& context, const BinPoolShape& shape, const T* features, const int32_t* corner,
                 T* output) {
  const ColumnTile tile(shape.channels / V, kThreads);
  launch(bin_pool_forward<T, V>, {blocks_for(shape.batch, 1), tile.tiles}, tile.block(), 0, context.stream(),
         sizes_of(shape), features, corner, output);
}

template <class T, int V>
void run_backward(Context& context, const BinPoolShape& shape, const T* grad_output, const int32_t* corner,
                  bool accumulate, T* grad_features) {
  const Sizes s = sizes_of(shape);
  const unsigned samples = s.batch < 65535 ? s.batch : 65535;
  if (accumulate)
    return launch(bin_pool_backward_add<T, V>,
                  {blocks_for(shape.bin_cells() * (shape.channels / V), kThreads), samples}, kThreads, 0,
                  context.stream(), s, grad_output, corner, grad_features);
  const ColumnTile tile(shape.channels / V, kThreads);
  launch(bin_pool_backward<T, V>, {blocks_for(shape.cells(), tile.y * kOwnCells), tile.tiles, samples},
         tile.block(), 0, context.stream(), s, grad_output, corner, grad_features);
}

}  // namespace

template <>
template <class T>
void BinPool<kGpu>::forward(Context& context, const BinPoolShape& s, const T* features, const int32_t* corner,
                            T* output) {
  check_element<T>(context);
  s.check_sizes();
  if (context.kernels == Kernels::plain)
    return each(context, s.batch * s.channels, PlainBinPool<T>{s, features, corner, output});
  const auto run =
      fits_vectors<T>(s.channels, features, output) ? run_forward<T, kVector<T, true>> : run_forward<T, 1>;
  run(context, s, features, corner, output);
}
template void BinPool<kGpu>::forward(Context&, const BinPoolShape&, const float*, const int32_t*, float*);
template void BinPool<kGpu>::forward(Context&, const BinPoolShape&, const bf16*, const int32_t*, bf16*);

template <>
template <class T>
void BinPool<kGpu>::backward(Context& context, const BinPoolShape& s, const T* grad_output,
                             const int32_t* corner, bool accumulate, T* grad_features) {
  check_element<T>(context);
  s.check_sizes();
  const auto run = fits_vectors<T>(s.channels, grad_output, grad_features) ? run_backward<T, kVector<T, true>>
                                                                           : run_backward<T, 1>;
  run(context, s, grad_output, corner, accumulate, grad_features);
}
template void BinPool<kGpu>::backward(Context&, const BinPoolShape&, const float*, const int32_t*, bool,
                                      float*);
template void BinPool<kGpu>::backward(Context&, const BinPoolShape&, const bf16*, const int32_t*, bool,
                                      bf16*);

}  // namespace saccade
