// The attention gate: a feature map scaled by one plus a sigmoid.
//
//   z = logits + bias
//   A = 1 / (1 + exp(-z))
//   output = feature * A + feature
//
// Source: "Reinforced Attribute Attention Selection", F' = F * A + F with the joint spatial and channel attention
// A = sigma(conv1x1(Fa)); `bias` is that of the convolution.
//
// Shapes: feature, logits, output and their gradients [rows, channels] with rows = N * H * W; bias [channels]. Outputs
// are overwritten. output may be feature, and grad_feature may be grad_output; nothing else may alias. Nothing is
// saved: backward computes A again from the logits, which costs less than reading it.
#pragma once

#include <cstdint>

#include "kernels/common/bf16.h"
#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct SigmoidGate {
  template <class T>
  static void forward(Context&, int64_t rows, int64_t channels, const T* feature, const T* logits,
                      const T* bias, T* output);

  // grad_feature = grad_output * (A + 1)
  // grad_logits  = grad_output * feature * A * (1 - A)
  // grad_bias    = sum of grad_logits over the rows, in f32 and in an order that the shape alone decides
  template <class T>
  static void backward(Context&, int64_t rows, int64_t channels, const T* grad_output, const T* feature,
                       const T* logits, const T* bias, T* grad_feature, T* grad_logits, T* grad_bias);

  static Floor forward_floor(int64_t rows, int64_t channels, int element_bytes) {
    const double elements = static_cast<double>(rows) * channels;
    return {element_bytes * (3 * elements + channels), 6 * elements};
  }
  static Floor backward_floor(int64_t rows, int64_t channels, int element_bytes) {
    const double elements = static_cast<double>(rows) * channels;
    return {element_bytes * (5 * elements + 2 * channels), 10 * elements};
  }
};

}  // namespace saccade
