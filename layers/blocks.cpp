#include "layers/blocks.h"

#include "autograd/functions/conv_norm.h"

namespace saccade::layers {

Variable conv_norm_relu(Tape& tape, const Variable& x, const Variable& weight, const Variable& gamma,
                        const Variable& beta, const Tensor& running_mean, const Tensor& running_var,
                        const ConvNormReluOptions& options) {
  const BatchNormOptions norm{options.mode, options.eps, options.momentum, true};
  return conv_norm(tape, x, weight, gamma, beta, running_mean, running_var, options.convolution, norm);
}

}  // namespace saccade::layers
