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
void gate_gradient(int64_t begin, int64_t end, int64_t channels, const float* grad_output,
                   const float* feature, const float* logits, const float* __restrict bias,
                   float* grad_feature, float* grad_logits, float* __restrict sum) {
  for (int64_t row = begin; row < end; ++row) {
    const float* grad = grad_output + row * channels;
    const float* x = feature + row * channels;
    const float* z = logits + row * channels;
    float* grad_x = grad_feature + row * channels;
    float* __restrict grad_z = grad_logits + row * channels;
#pragma omp simd  // grad_x may be grad itself, but never a shifted one
    for (int64_t c = 0; c < channels; ++c) {
      const float gate = sigmoid_vector(z[c] + bias[c]), g = grad[c];
      grad_x[c] = g * (gate + 1.0f);
      grad_z[c] = g * x[c] * gate * (1.0f - gate);
      sum[c] += grad_z[c];
    }
  }
}
}  // namespace

template <>
template <>
void SigmoidGate<Device::cpu>::forward(Context& context, int64_t rows, int64_t channels, const float* feature,
                                       const float* logits, const float* bias, float* output) {
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, channels));
  parallel_for(context, rows, grain, [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* x = feature + row * channels;
      const float* z = logits + row * channels;
      float* y = output + row * channels;
#pragma omp simd  // y may be x itself, but never a shifted one
      for (int64_t c = 0; c < channels; ++c) y[c] = x[c] * sigmoid_vector(z[c] + bias[c]) + x[c];
    }
  });
}

template <>
template <>
void SigmoidGate<Device::cpu>::backward(Context& context, int64_t rows, int64_t channels,
                                        const float* grad_output, const float* feature, const float* logits,
                                        const float* bias, float* grad_feature, float* grad_logits,
                                        float* grad_bias) {
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
  std::fill(grad_bias, grad_bias + channels, 0.0f);
  for (int64_t part = 0; part < parts; ++part)
    for (int64_t c = 0; c < channels; ++c) grad_bias[c] += sums[part * channels + c];
}

}  // namespace saccade
