// The equation of sigmoid_gate.h as serial code.
#pragma once

#include <cmath>

#include "kernels/attention/sigmoid_gate.h"

namespace saccade {

// 1 / (1 + exp(-z)), written so that exp never overflows.
template <class T>
T reference_sigmoid(T z) {
  using std::exp;
  const T e = exp(z < T(0) ? z : -z);
  return (z < T(0) ? e : T(1)) / (T(1) + e);
}

template <>
template <class T>
void SigmoidGate<Device::reference>::forward(Context&, int64_t rows, int64_t channels, const T* feature,
                                             const T* logits, const T* bias, T* output) {
  for (int64_t i = 0; i < rows * channels; ++i) {
    const T gate = reference_sigmoid(logits[i] + bias[i % channels]);
    output[i] = feature[i] * gate + feature[i];
  }
}

template <>
template <class T>
void SigmoidGate<Device::reference>::backward(Context&, int64_t rows, int64_t channels, const T* grad_output,
                                              const T* feature, const T* logits, const T* bias,
                                              T* grad_feature, T* grad_logits, T* grad_bias) {
  for (int64_t c = 0; c < channels; ++c) grad_bias[c] = T(0);
  for (int64_t i = 0; i < rows * channels; ++i) {
    const T gate = reference_sigmoid(logits[i] + bias[i % channels]);
    const T grad = grad_output[i];  // read first: grad_feature may be the same memory
    grad_feature[i] = grad * (gate + T(1));
    grad_logits[i] = grad * feature[i] * gate * (T(1) - gate);
    grad_bias[i % channels] += grad_logits[i];
  }
}

}  // namespace saccade
