#include "kernels/attention/sigmoid_gate.h"

#include <algorithm>

#include "kernels/common/parallel.h"
#include "kernels/common/vector_math.h"

namespace saccade {

namespace {
constexpr int64_t kGrain = 1 << 14;  // elements that are worth a thread
constexpr int64_t kParts =
    32;  // of the sum for the bias: a fixed number, so that threads do not change its order

// Writes both gradients of the rows [begin, end), and adds grad_logits to `sum`.
template <class T>
void gate_gradient(int64_t begin, int64_t end, int64_t channels, const T* grad_output, const T* feature,
                   const T* logits, const T* __restrict bias, T* grad_feature, T* grad_logits,
                   float* __restrict sum) {
  for (int64_t row = begin; row < end; ++row) {
    const T* grad = grad_output + row * channels;
    const T* x = feature + row * channels;
    const T* z = logits + row * channels;
    T* grad_x = grad_feature + row * channels;
    T* __restrict grad_z = grad_logits + row * channels;
#pragma omp simd  // grad_x may be grad itself, but never a shifted one
    for (int64_t c = 0; c < channels; ++c) {
      const float gate = sigmoid_vector(float(z[c]) + float(bias[c])), g = float(grad[c]);
      grad_x[c] = g * (gate + 1.0f);
      const float slope = g * float(x[c]) * gate * (1.0f - gate);
      grad_z[c] = slope;
      sum[c] += slope;
    }
  }
}
}  // namespace

template <>
template <class T>
void SigmoidGate<Device::cpu>::forward(Context& context, int64_t rows, int64_t channels, const T* feature,
                                       const T* logits, const T* bias, T* output) {
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, channels));
  parallel_for(context, rows, grain, [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T* x = feature + row * channels;
      const T* z = logits + row * channels;
      T* y = output + row * channels;
#pragma omp simd  // y may be x itself, but never a shifted one
      for (int64_t c = 0; c < channels; ++c)
        y[c] = float(x[c]) * sigmoid_vector(float(z[c]) + float(bias[c])) + float(x[c]);
    }
  });
}
template void SigmoidGate<Device::cpu>::forward(Context&, int64_t, int64_t, const float*, const float*,
                                                const float*, float*);
template void SigmoidGate<Device::cpu>::forward(Context&, int64_t, int64_t, const bf16*, const bf16*,
                                                const bf16*, bf16*);

template <>
template <class T>
void SigmoidGate<Device::cpu>::backward(Context& context, int64_t rows, int64_t channels,
                                        const T* grad_output, const T* feature, const T* logits,
                                        const T* bias, T* grad_feature, T* grad_logits, T* grad_bias) {
  const int64_t parts = std::min(kParts, std::max<int64_t>(1, rows));
  Context::Scratch scratch(context, static_cast<size_t>(parts * channels) * sizeof(float));
  float* sums = scratch.as<float>();
  const int64_t part_elements = std::max<int64_t>(1, rows * channels / parts);
  parallel_for(context, parts, std::max<int64_t>(1, kGrain / part_elements), [=](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      float* sum = sums + part * channels;
      std::fill(sum, sum + channels, 0.0f);
      gate_gradient(rows * part / parts, rows * (part + 1) / parts, channels, grad_output, feature, logits,
                    bias, grad_feature, grad_logits, sum);
    }
  });
  for (int64_t part = 1; part < parts; ++part)
    for (int64_t c = 0; c < channels; ++c) sums[c] += sums[part * channels + c];
  for (int64_t c = 0; c < channels; ++c) grad_bias[c] = sums[c];
}
template void SigmoidGate<Device::cpu>::backward(Context&, int64_t, int64_t, const float*, const float*,
                                                 const float*, const float*, float*, float*, float*);
template void SigmoidGate<Device::cpu>::backward(Context&, int64_t, int64_t, const bf16*, const bf16*,
                                                 const bf16*, const bf16*, bf16*, bf16*, bf16*);

}  // namespace saccade
