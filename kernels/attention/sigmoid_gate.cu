#include "kernels/attention/sigmoid_gate.h"
#include "kernels/attention/sigmoid_gate.plain.h"
#include "kernels/common/columns.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;  // of a block
constexpr int kRows = 4;       // rows that a thread of the forward pass loads before it computes
constexpr int64_t kBlocks =
    1024;  // of the backward pass: enough to fill the largest chips, few enough to join

// --- The equations, for V channels of a row

__device__ __forceinline__ float sigmoid(float z) {
  return __fdividef(1.0f, 1.0f + __expf(-z));
}

template <int V>
__device__ __forceinline__ Pack<float, V> gated(const Pack<float, V>& feature, const Pack<float, V>& logits,
                                                const Pack<float, V>& bias) {
  Pack<float, V> output;
#pragma unroll
  for (int i = 0; i < V; ++i)
    output.lane[i] = feature.lane[i] * sigmoid(logits.lane[i] + bias.lane[i]) + feature.lane[i];
  return output;
}

template <int V>
struct Gradients {
  Pack<float, V> feature, logits;

  __device__ __forceinline__ Gradients(const Pack<float, V>& grad_output, const Pack<float, V>& x,
                                       const Pack<float, V>& z, const Pack<float, V>& bias) {
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const float gate = sigmoid(z.lane[i] + bias.lane[i]);
      feature.lane[i] = grad_output.lane[i] * (gate + 1.0f);
      logits.lane[i] = grad_output.lane[i] * x.lane[i] * gate * (1.0f - gate);
    }
  }
};

// --- The kernels. A block is a tile of blockDim.x vectors of V channels and blockDim.y rows
// (kernels/common/columns.h): a thread keeps its channels, and with them the bias, and walks down the rows.

template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    sigmoid_gate_forward(int64_t rows, uint32_t channels, const T* feature, const T* __restrict__ logits,
                         const T* __restrict__ bias, T* output) {  // output may be feature
  constexpr int kBytes = V * sizeof(T);
  const uint32_t channel = (blockIdx.y * blockDim.x + threadIdx.x) * V;
  if (channel >= channels) return;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kRows * blockDim.y + threadIdx.y;

  Pack<T, V> x[kRows], z[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const int64_t row = first + r * blockDim.y;
    if (row >= rows) continue;
    x[r] = load<kBytes, Use::once>(feature + row * channels + channel);
    z[r] = load<kBytes, Use::once>(logits + row * channels + channel);
  }
  const Pack<float, V> b = to_f32(load<kBytes>(bias + channel));
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const int64_t row = first + r * blockDim.y;
    if (row >= rows) continue;
    store<kBytes>(output + row * channels + channel, from_f32<T>(gated(to_f32(x[r]), to_f32(z[r]), b)));
  }
}

// The blocks of one blockIdx.x share `rows_per_part` rows, and leave the sums of their grad_logits in
// partial[blockIdx.x, channels]. grad_feature may be grad_output.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    sigmoid_gate_backward(int64_t rows, int64_t rows_per_part, uint32_t channels, const T* grad_output,
                          const T* __restrict__ feature, const T* __restrict__ logits,
                          const T* __restrict__ bias, T* grad_feature, T* __restrict__ grad_logits,
                          float* __restrict__ partial) {
  constexpr int kBytes = V * sizeof(T);
  alignas(16) __shared__ float sums[V * kThreads];
  const uint32_t channel = (blockIdx.y * blockDim.x + threadIdx.x) * V;
  Pack<float, V> sum = {};
  if (channel < channels) {
    const Pack<float, V> b = to_f32(load<kBytes>(bias + channel));
    const int64_t begin = blockIdx.x * rows_per_part;
    const int64_t end = begin + rows_per_part < rows ? begin + rows_per_part : rows;
#pragma unroll 2
    for (int64_t row = begin + threadIdx.y; row < end; row += blockDim.y) {
      const int64_t at = row * channels + channel;
      const Pack<float, V> grad = to_f32(load<kBytes, Use::once>(grad_output + at));
      const Pack<float, V> x = to_f32(load<kBytes, Use::once>(feature + at));
      const Pack<float, V> z = to_f32(load<kBytes, Use::once>(logits + at));
      const Gradients<V> gradients(grad, x, z, b);
#pragma unroll
      for (int i = 0; i < V; ++i) sum.lane[i] += gradients.logits.lane[i];
      store<kBytes>(grad_feature + at, from_f32<T>(gradients.feature));
      store<kBytes>(grad_logits + at, from_f32<T>(gradients.logits));
    }
  }
  put_columns(sums, sum);
  __syncthreads();
  if (!owns_channel<V>(channels)) return;
  partial[static_cast<int64_t>(blockIdx.x) * channels + own_channel<V>()] = column_sum<V>(sums);
}

// --- The launchers

template <class T, int V>
void run_forward(Context& context, int64_t rows, int64_t channels, const T* feature, const T* logits,
                 const T* bias, T* output) {
  const ColumnTile tile(channels / V, kThreads);
  launch(sigmoid_gate_forward<T, V>, {blocks_for(rows, static_cast<int64_t>(tile.y) * kRows), tile.tiles},
         tile.block(), 0, context.stream(), rows, channels, feature, logits, bias, output);
}

template <class T, int V>
void run_backward(Context& context, int64_t rows, int64_t channels, const T* grad_output, const T* feature,
                  const T* logits, const T* bias, T* grad_feature, T* grad_logits, T* grad_bias) {
  if (channels == 0) return;
  const ColumnTile tile(channels / V, kThreads);
  const int64_t rows_per_part = tile.rows_per_part(rows, kBlocks);
  const unsigned parts = blocks_for(rows, rows_per_part);
  Context::Scratch partial(context, parts * static_cast<size_t>(channels) * sizeof(float));
  launch(sigmoid_gate_backward<T, V>, {parts, tile.tiles}, tile.block(), 0, context.stream(), rows,
         rows_per_part, channels, grad_output, feature, logits, bias, grad_feature, grad_logits,
         partial.as<float>());
  join_parts(context, 1, channels, parts, partial.as<float>(), 1.0f, grad_bias);
}

}  // namespace

template <>
template <class T>
void SigmoidGate<kGpu>::forward(Context& context, int64_t rows, int64_t channels, const T* feature,
                                const T* logits, const T* bias, T* output) {
  check_element<T>(context);
  if (context.kernels == Kernels::plain)
    return each(context, rows * channels, PlainSigmoidGate<T>{channels, feature, logits, bias, output});
  const auto run = fits_vectors<T>(channels, feature, logits, bias, output) ? run_forward<T, kVector<T, true>>
                                                                            : run_forward<T, 1>;
  run(context, rows, channels, feature, logits, bias, output);
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
  const bool vectorized =
      fits_vectors<T>(channels, grad_output, feature, logits, bias, grad_feature, grad_logits);
  const auto run = vectorized ? run_backward<T, kVector<T, true>> : run_backward<T, 1>;
  run(context, rows, channels, grad_output, feature, logits, bias, grad_feature, grad_logits, grad_bias);
}
template void SigmoidGate<kGpu>::backward(Context&, int64_t, int64_t, const float*, const float*,
                                          const float*, const float*, float*, float*, float*);
template void SigmoidGate<kGpu>::backward(Context&, int64_t, int64_t, const bf16*, const bf16*, const bf16*,
                                          const bf16*, bf16*, bf16*, bf16*);

}  // namespace saccade
