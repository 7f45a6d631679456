// Convolution on the tape.
#pragma once

#include <vector>

#include "autograd/tape.h"
#include "kernels/convolution/conv2d.h"

namespace saccade {

struct ConvolutionOptions {
  int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0;
};

// The sums over all pixels of a map, and of its squares, of each channel: [2,K]. Empty where they were not taken.
using ColumnSums = std::vector<double>;

// y = conv(x, weight) + bias.  x [N,H,W,C], weight [K,R,S,C], bias [K] or null -> y [N,P,Q,K].
// Equation: kernels/convolution/conv2d.h. `sums` are y's, where the convolution takes them as it writes (f32 on the
// CPU), for a norm that follows.
Variable conv2d(Tape& tape, const Variable& x, const Variable& weight, const Variable* bias,
                const ConvolutionOptions& options, ColumnSums* sums = nullptr);

// The shape of such a convolution; InputError if x and weight do not fit.
Conv2dShape conv2d_shape(const Shape& x, const Shape& weight, const ConvolutionOptions& options);

}  // namespace saccade
