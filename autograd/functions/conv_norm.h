// A convolution and the norm behind it, on the tape.
#pragma once

#include "autograd/functions/convolution.h"
#include "autograd/functions/norm.h"
#include "autograd/functions/pooling.h"

namespace saccade {

// y = act(batch_norm(conv2d(x, weight)) + residual), with the equations, shapes and errors of conv2d() and batch_norm().
//
// With `pool` the result is max_pool2d(y); then there is no residual.
//
// On the CPU in f32 the norm's statistics are summed where the convolution writes, and a map that is pooled is never
// there as a whole. And in eval mode, if nothing here needs a gradient, the norm becomes part of the weights
// (kernels/convolution/conv2d_cpu.h: folded in f64), the residual and the ReLU part of the convolution, and the map
// between them is never written: its rounding goes, too.
Variable conv_norm(Tape& tape, const Variable& x, const Variable& weight, const Variable& gamma,
                   const Variable& beta, const Tensor& running_mean, const Tensor& running_var,
                   const ConvolutionOptions& convolution, const BatchNormOptions& norm,
                   const Variable* residual = nullptr, const MaxPoolOptions* pool = nullptr);

}  // namespace saccade
