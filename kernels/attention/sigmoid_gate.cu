#include "kernels/attention/sigmoid_gate.h"
#include "kernels/attention/sigmoid_gate.plain.h"
#include "kernels/common/launch.h"
#include "kernels/common/vector.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;
constexpr int kRows = 4;  // rows a thread of the forward pass has in flight
constexpr int64_t kBlocks =
    1024;                     // of the backward pass: enough to fill the largest chips, few enough to sum
constexpr int kSumRows = 32;  // threads that share a channel in the last sum of the bias gradient

// A block is a tile of blockDim.x vectors of V channels and blockDim.y rows: a thread keeps its channels, and
// with them the bias, and walks down the rows.

__device__ __forceinline__ float sigmoid(float z) {
  return __fdividef(1.0f, 1.0f + __expf(-z));
}

template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    sigmoid_gate_forward(int64_t rows, uint32_t channels, const T* feature, const T* __restrict__ logits,
                         const T* __restrict__ bias, T* output) {  // output may be feature
  const uint32_t channel = (blockIdx.y * blockDim.x + threadIdx.x) * V;
  if (channel >= channels) return;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kRows * blockDim.y + threadIdx.y;
  Pack<T, V> x[kRows], z[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const int64_t row = first + r * blockDim.y;
    if (row >= rows) continue;
    x[r] = load<V * sizeof(T), Use::once>(feature + row * channels + channel);
    z[r] = load<V * sizeof(T), Use::once>(logits + row * channels + channel);
  }
  const Pack<float, V> b = to_f32(load<V * sizeof(T)>(bias + channel));
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const int64_t row = first + r * blockDim.y;
    if (row >= rows) continue;
    const Pack<float, V> f = to_f32(x[r]), l = to_f32(z[r]);
    Pack<float, V> y;
#pragma unroll
    for (int i = 0; i < V; ++i) y.lane[i] = f.lane[i] * sigmoid(l.lane[i] + b.lane[i]) + f.lane[i];
    store<V * sizeof(T)>(output + row * channels + channel, from_f32<T>(y));
  }
}

// Block (part, tile) walks rows [part * rows_per_part, ...) and leaves the sum of its grad_logits, channel by
// channel, in partial[part].
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    sigmoid_gate_backward(int64_t rows, int64_t rows_per_part, uint32_t channels, const T* grad_output,
                          const T* __restrict__ feature, const T* __restrict__ logits,
                          const T* __restrict__ bias, T* grad_feature, T* __restrict__ grad_logits,
                          float* __restrict__ partial) {
  __shared__ float sums[V * kThreads];
  const uint32_t channel = (blockIdx.y * blockDim.x + threadIdx.x) * V;
  const bool inside = channel < channels;
  Pack<float, V> sum = {};
  if (inside) {
    const Pack<float, V> b = to_f32(load<V * sizeof(T)>(bias + channel));
    const int64_t begin = blockIdx.x * rows_per_part;
    const int64_t end = begin + rows_per_part < rows ? begin + rows_per_part : rows;
#pragma unroll 2
    for (int64_t row = begin + threadIdx.y; row < end; row += blockDim.y) {
      const int64_t at = row * channels + channel;
      const Pack<float, V> g = to_f32(load<V * sizeof(T), Use::once>(grad_output + at));
      const Pack<float, V> f = to_f32(load<V * sizeof(T), Use::once>(feature + at));
      const Pack<float, V> l = to_f32(load<V * sizeof(T), Use::once>(logits + at));
      Pack<float, V> grad_f, grad_l;
#pragma unroll
      for (int i = 0; i < V; ++i) {
        const float gate = sigmoid(l.lane[i] + b.lane[i]);
        grad_f.lane[i] = g.lane[i] * (gate + 1.0f);
        grad_l.lane[i] = g.lane[i] * f.lane[i] * gate * (1.0f - gate);
        sum.lane[i] += grad_l.lane[i];
      }
      store<V * sizeof(T)>(grad_feature + at, from_f32<T>(grad_f));
      store<V * sizeof(T)>(grad_logits + at, from_f32<T>(grad_l));
    }
  }
  const uint32_t thread = threadIdx.y * blockDim.x + threadIdx.x;
#pragma unroll
  for (int i = 0; i < V; ++i) sums[i * kThreads + thread] = sum.lane[i];
  __syncthreads();
  if (threadIdx.y != 0 || !inside) return;
#pragma unroll
  for (int i = 0; i < V; ++i) {
    float total = 0;
    for (uint32_t y = 0; y < blockDim.y; ++y) total += sums[i * kThreads + y * blockDim.x + threadIdx.x];
    partial[static_cast<int64_t>(blockIdx.x) * channels + channel + i] = total;
  }
}

// grad_bias[c] = sum of partial[part][c]: 32 channels a block, kSumRows threads each.
template <class T>
__global__ void __launch_bounds__(kWarp* kSumRows)
    sigmoid_gate_bias(uint32_t parts, uint32_t channels, const float* __restrict__ partial,
                      T* __restrict__ grad_bias) {
  __shared__ float sums[kSumRows][kWarp];
  const uint32_t channel = blockIdx.x * kWarp + threadIdx.x;
  float sum = 0;
  if (channel < channels) {
#pragma unroll 4
    for (uint32_t part = threadIdx.y; part < parts; part += kSumRows)
      sum += partial[static_cast<int64_t>(part) * channels + channel];
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || channel >= channels) return;
  float total = 0;
  for (int y = 0; y < kSumRows; ++y) total += sums[y][threadIdx.x];
  grad_bias[channel] = static_cast<T>(total);
}

// The tile of a block: as many vectors side by side as the channels give, up to a warp's 32.
struct Tile {
  unsigned x, y, tiles;

  explicit Tile(int64_t vectors) : x(1) {
    while (x < kWarp && x < vectors) x *= 2;
    y = kThreads / x;
    tiles = static_cast<unsigned>((vectors + x - 1) / x);
    check(tiles < 65536, "sigmoid_gate: too many channels for one launch");
  }
  dim3 block() const { return dim3(x, y); }
};

template <class T, int V>
void run_forward(Context& context, int64_t rows, int64_t channels, const T* feature, const T* logits,
                 const T* bias, T* output) {
  const Tile tile(channels / V);
  launch(sigmoid_gate_forward<T, V>, {blocks_for(rows, static_cast<int64_t>(tile.y) * kRows), tile.tiles},
         tile.block(), 0, context.stream(), rows, channels, feature, logits, bias, output);
}

template <class T, int V>
void run_backward(Context& context, int64_t rows, int64_t channels, const T* grad_output, const T* feature,
                  const T* logits, const T* bias, T* grad_feature, T* grad_logits, T* grad_bias) {
  if (channels == 0) return;
  const Tile tile(channels / V);
  // Parts follow from the shape alone, so the order of the sum does too.
  const int64_t steps = (rows + tile.y - 1) / tile.y;
  const int64_t wanted = (kBlocks + tile.tiles - 1) / tile.tiles;
  const int64_t rows_per_part = tile.y * ((steps + wanted - 1) / wanted);
  const unsigned parts = rows > 0 ? blocks_for(rows, rows_per_part) : 0;
  Context::Scratch partial(context, parts * static_cast<size_t>(channels) * sizeof(float));
  launch(sigmoid_gate_backward<T, V>, {parts, tile.tiles}, tile.block(), 0, context.stream(), rows,
         rows_per_part, channels, grad_output, feature, logits, bias, grad_feature, grad_logits,
         partial.as<float>());
  launch(sigmoid_gate_bias<T>, blocks_for(channels, kWarp), dim3(kWarp, kSumRows), 0, context.stream(), parts,
         channels, partial.as<float>(), grad_bias);
}

}  // namespace

template <>
template <class T>
void SigmoidGate<kGpu>::forward(Context& context, int64_t rows, int64_t channels, const T* feature,
                                const T* logits, const T* bias, T* output) {
  check_element<T>(context);
  if (context.kernels == Kernels::plain)
    return each(context, rows * channels, PlainSigmoidGate<T>{channels, feature, logits, bias, output});
  constexpr int kPerVector = kVector<T, true>;
  const bool vectorized = channels % kPerVector == 0 && aligned(feature, 16) && aligned(logits, 16) &&
                          aligned(bias, 16) && aligned(output, 16);
  if (vectorized)
    run_forward<T, kPerVector>(context, rows, channels, feature, logits, bias, output);
  else
    run_forward<T, 1>(context, rows, channels, feature, logits, bias, output);
}
template void SigmoidGate<kGpu>::forward(Context&, int64_t, int64_t, const float*, const float*, const float*,
                                         float*);
template void SigmoidGate<kGpu>::forward(Context&, int64_t, int64_t, const bf16*, const bf16*, const bf16*,
                                         bf16*);

template <>
template <class T>
void SigmoidGate<kGpu>::backward(Context& context, int64_t rows, int64_t channels, const T* grad_output,
                                 const T* feature, const T* logits, const T* bias, T* grad_feature,
                                 T* grad_logits, T* grad_bias) {
  check_element<T>(context);
  if (context.kernels == Kernels::plain)
    return each(context, channels,
                PlainSigmoidGateGradient<T>{rows, channels, grad_output, feature, logits, bias, grad_feature,
                                            grad_logits, grad_bias});
  constexpr int kPerVector = kVector<T, true>;
  bool vectorized = channels % kPerVector == 0;
  for (const T* p : {grad_output, feature, logits, bias, static_cast<const T*>(grad_feature),
                     static_cast<const T*>(grad_logits)})
    vectorized = vectorized && aligned(p, 16);
  const auto run = vectorized ? run_backward<T, kPerVector> : run_backward<T, 1>;
  run(context, rows, channels, grad_output, feature, logits, bias, grad_feature, grad_logits, grad_bias);
}
template void SigmoidGate<kGpu>::backward(Context&, int64_t, int64_t, const float*, const float*,
                                          const float*, const float*, float*, float*, float*);
template void SigmoidGate<kGpu>::backward(Context&, int64_t, int64_t, const bf16*, const bf16*, const bf16*,
                                          const bf16*, bf16*, bf16*, bf16*);

}  // namespace saccade
