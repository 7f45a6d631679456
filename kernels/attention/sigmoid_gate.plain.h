// The plain kernels of sigmoid_gate.h: forward a thread for each output, backward a thread for each channel.
#pragma once

#include "kernels/attention/sigmoid_gate.h"
#include "kernels/common/each.h"

namespace saccade {
inline namespace SACCADE_TARGET {

template <class T>
struct PlainSigmoidGate {
  int64_t channels;
  const T *feature, *logits, *bias;
  T* output;

  __device__ void operator()(int64_t item) const {
    const float z = static_cast<float>(logits[item]) + static_cast<float>(bias[item % channels]);
    const float x = static_cast<float>(feature[item]);
    output[item] = static_cast<T>(x / (1.0f + expf(-z)) + x);
  }
};

template <class T>
struct PlainSigmoidGateGradient {
  int64_t rows, channels;
  const T *grad_output, *feature, *logits, *bias;
  T *grad_feature, *grad_logits, *grad_bias;

  __device__ void operator()(int64_t c) const {
    float sum = 0;
    for (int64_t at = c; at < rows * channels; at += channels) {
      const float gate = 1.0f / (1.0f + expf(-static_cast<float>(logits[at]) - static_cast<float>(bias[c])));
      const float grad = static_cast<float>(grad_output[at]);
      const float grad_z = grad * static_cast<float>(feature[at]) * gate * (1.0f - gate);
      grad_feature[at] = static_cast<T>(grad * (gate + 1.0f));
      grad_logits[at] = static_cast<T>(grad_z);
      sum += grad_z;
    }
    grad_bias[c] = static_cast<T>(sum);
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
