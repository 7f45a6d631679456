#include "kernels/common/columns.h"
#include "kernels/common/launch.h"
#include "kernels/common/vector.h"
#include "kernels/pool/global_average_pool.h"
#include "kernels/pool/global_average_pool.plain.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;
constexpr int kPositions = 8;  // positions that a thread of the gradient writes

// A block takes one tile of channels of one sample; its rows of threads share the positions.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    global_average_pool_forward(int64_t positions, uint32_t channels, const T* __restrict__ x,
                                T* __restrict__ y) {
  alignas(16) __shared__ float sums[V * kThreads];
  const uint32_t channel = (blockIdx.y * blockDim.x + threadIdx.x) * V;
  Pack<float, V> sum = {};
  if (channel < channels) {
    const T* image = x + blockIdx.x * positions * channels + channel;
#pragma unroll 4
    for (int64_t q = threadIdx.y; q < positions; q += blockDim.y) {
      const Pack<float, V> value = to_f32(load<V * sizeof(T)>(image + q * channels));
#pragma unroll
      for (int i = 0; i < V; ++i) sum.lane[i] += value.lane[i];
    }
  }
  put_columns(sums, sum);
  __syncthreads();
  if (!owns_channel<V>(channels)) return;
  const float total = column_sum<V>(sums);
  y[static_cast<int64_t>(blockIdx.x) * channels + own_channel<V>()] =
      static_cast<T>(total / static_cast<float>(positions));
}

// blockIdx.x counts `parts` parts of each sample. A thread writes kPositions positions of its channels.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    global_average_pool_backward(int64_t positions, uint32_t parts, uint32_t channels,
                                 const T* __restrict__ grad_y, T* __restrict__ grad_x) {
  const uint32_t channel = (blockIdx.y * blockDim.x + threadIdx.x) * V;
  if (channel >= channels) return;
  const uint32_t sample = blockIdx.x / parts, part = blockIdx.x - sample * parts;
  Pack<float, V> grad =
      to_f32(load<V * sizeof(T)>(grad_y + static_cast<int64_t>(sample) * channels + channel));
#pragma unroll
  for (int i = 0; i < V; ++i) grad.lane[i] /= static_cast<float>(positions);
  const Pack<T, V> out = from_f32<T>(grad);
  T* image = grad_x + sample * positions * channels + channel;
#pragma unroll
  for (int k = 0; k < kPositions; ++k) {
    const int64_t q = (static_cast<int64_t>(part) * kPositions + k) * blockDim.y + threadIdx.y;
    if (q < positions) store<V * sizeof(T)>(image + q * channels, out);
  }
}

template <class T, int V>
void run_forward(Context& context, int64_t batch, int64_t positions, int64_t channels, const T* x, T* y) {
  const ColumnTile tile(channels / V, kThreads);
  launch(global_average_pool_forward<T, V>, {blocks_for(batch, 1), tile.tiles}, tile.block(), 0,
         context.stream(), positions, channels, x, y);
}

template <class T, int V>
void run_backward(Context& context, int64_t batch, int64_t positions, int64_t channels, const T* grad_y,
                  T* grad_x) {
  const ColumnTile tile(channels / V, kThreads);
  const unsigned parts = blocks_for(positions, static_cast<int64_t>(tile.y) * kPositions);
  launch(global_average_pool_backward<T, V>, {blocks_for(batch * parts, 1), tile.tiles}, tile.block(), 0,
         context.stream(), positions, parts, channels, grad_y, grad_x);
}

}  // namespace

template <>
template <class T>
void GlobalAveragePool<kGpu>::forward(Context& context, int64_t batch, int64_t positions, int64_t channels,
                                      const T* x, T* y) {
  check_element<T>(context);
  check(positions >= 1, "global_average_pool: no position");
  if (context.kernels == Kernels::plain)
    return each(context, batch * channels, PlainGlobalAveragePool<T>{positions, channels, x, y});
  const auto run = fits_vectors<T>(channels, x, y) ? run_forward<T, kVector<T, true>> : run_forward<T, 1>;
  run(context, batch, positions, channels, x, y);
}
template void GlobalAveragePool<kGpu>::forward(Context&, int64_t, int64_t, int64_t, const float*, float*);
template void GlobalAveragePool<kGpu>::forward(Context&, int64_t, int64_t, int64_t, const bf16*, bf16*);

template <>
template <class T>
void GlobalAveragePool<kGpu>::backward(Context& context, int64_t batch, int64_t positions, int64_t channels,
                                       const T* grad_y, T* grad_x) {
  check_element<T>(context);
  check(positions >= 1, "global_average_pool: no position");
  const auto run =
      fits_vectors<T>(channels, grad_y, grad_x) ? run_backward<T, kVector<T, true>> : run_backward<T, 1>;
  run(context, batch, positions, channels, grad_y, grad_x);
}
template void GlobalAveragePool<kGpu>::backward(Context&, int64_t, int64_t, int64_t, const float*, float*);
template void GlobalAveragePool<kGpu>::backward(Context&, int64_t, int64_t, int64_t, const bf16*, bf16*);

}  // namespace saccade
