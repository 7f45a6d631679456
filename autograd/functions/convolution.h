// Convolution on the tape.
#pragma once

#include "autograd/tape.h"

namespace saccade {

struct ConvolutionOptions {
  int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0;
};

// y = conv(x, weight) + bias.  x [N,H,W,C], weight [K,R,S,C], bias [K] or null -> y [N,P,Q,K].
// Equation: kernels/convolution/conv2d.h.
Variable conv2d(Tape& tape, const Variable& x, const Variable& weight, const Variable* bias,
                const ConvolutionOptions& options);

}  // namespace saccade
