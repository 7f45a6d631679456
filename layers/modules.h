// The building blocks of networks. Each holds references to its parameters in an arena and is called with a tape.
// Convolutions and linear layers compute in the precision of the tape's context and bring their input to it; a norm
// computes in the type of its input, with f32 parameters and statistics.
#pragma once

#include <string>

#include "autograd/functions/conv_norm.h"
#include "autograd/parameter.h"

namespace saccade::layers {

// Convolution with a square filter and no bias unless asked for. Parameters: <name>.weight [K,R,S,C], <name>.bias.
class Conv2d {
 public:
  Conv2d(ParameterArena& arena, const std::string& name, int64_t in, int64_t out, int64_t size,
         int64_t stride, int64_t padding, bool with_bias = false);
  Variable operator()(Tape& tape, const Variable& x) const;  // [N,H,W,in] -> [N,P,Q,out]
  ConvolutionOptions options;
  Parameter *weight, *bias = nullptr;  // without a bias: null
};

// Batch normalization over all but the last dimension, with what usually follows it in the same pass.
// Parameters: <name>.weight, <name>.bias; buffers: <name>.running_mean, <name>.running_var.
class BatchNorm {
 public:
  BatchNorm(ParameterArena& arena, const std::string& name, int64_t channels, float initial_weight = 1.0f);
  // y = act(norm(x) + residual); residual may be null, act is ReLU when `relu`.
  Variable operator()(Tape& tape, const Variable& x, BatchNormOptions::Mode mode, bool relu = false,
                      const Variable* residual = nullptr) const;
  Parameter &weight, &bias;

  Parameter &mean, &variance;  // the running statistics
};

// y = act(norm(convolution(x)) + residual), and with `pool` max_pool2d(y), as the modules one after the other, but in
// fewer passes where that can be (autograd/functions/conv_norm.h). The convolution has no bias: the norm would take it
// away again.
Variable conv_norm(Tape& tape, const Conv2d& convolution, const BatchNorm& norm, const Variable& x,
                   BatchNormOptions::Mode mode, bool relu = false, const Variable* residual = nullptr,
                   const MaxPoolOptions* pool = nullptr);

// y = act(x w^T + b). Parameters: <name>.weight [O,I], <name>.bias [O].
class Linear {
 public:
  Linear(ParameterArena& arena, const std::string& name, int64_t in, int64_t out, bool with_bias = true);
  Linear(ParameterArena& arena, const std::string& name, int64_t in, int64_t out, bool with_bias,
         Initializer weight_values, Initializer bias_values);
  Variable operator()(Tape& tape, const Variable& x, bool relu = false) const;  // [...,in] -> [...,out]
  Parameter *weight, *bias = nullptr;                                           // without a bias: null
};

}  // namespace saccade::layers
