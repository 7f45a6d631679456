// Blocks of networks as functions of the tape, whose weights are inputs: composites. Each is registered like an op
// (layers/registry/), so that its gradient, every device and its time are checked without a network around it.
#pragma once

#include "autograd/functions/convolution.h"
#include "autograd/functions/norm.h"

namespace saccade::layers {

struct ConvNormReluOptions {
  ConvolutionOptions convolution;
  BatchNormOptions::Mode mode = BatchNormOptions::train;
  double eps = 1e-5;
  double momentum = 0.1;  // the share of the batch's statistics in the new running ones
};

// y = max(batch_norm(conv2d(x, weight)), 0), with the equations of kernels/convolution/conv2d.h (there is no bias: the
// norm would take it away again) and kernels/norm/batch_norm.h. Source: He et al., "Deep residual learning for image
// recognition" (2016), section 3.4: the norm right after each convolution and before the activation.
// x [N,H,W,C], weight [K,R,S,C], gamma and beta [K] -> y [N,P,Q,K]. running_mean and running_var [K] are written in
// train mode alone. Where x and weight are bf16, all that belongs to the norm is f32. InputError as of conv2d() and
// batch_norm(), which both say what they refuse.
Variable conv_norm_relu(Tape& tape, const Variable& x, const Variable& weight, const Variable& gamma,
                        const Variable& beta, const Tensor& running_mean, const Tensor& running_var,
                        const ConvNormReluOptions& options);

}  // namespace saccade::layers
