#include "layers/blocks.h"

namespace saccade::layers {

Variable conv_norm_relu(Tape& tape, const Variable& x, const Variable& weight, const Variable& gamma,
                        const Variable& beta, const Tensor& running_mean, const Tensor& running_var,
                        const ConvNormReluOptions& options) {
  const Variable z = conv2d(tape, x, weight, nullptr, options.convolution);  // [N,P,Q,K]
  const BatchNormOptions norm{options.mode, options.eps, options.momentum, true};
  return batch_norm(tape, z, gamma, &beta, running_mean, running_var, norm);
}

}  // namespace saccade::layers
