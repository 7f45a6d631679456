// Conv2d on the CPU in f32 with what stands around it in a network, done while its numbers are in cache.
#pragma once

#include "kernels/convolution/conv2d.h"
#include "kernels/convolution/finish.h"

namespace saccade::conv2d_cpu {

// Conv2d::forward, and then `finish`.
void forward(Context&, const Conv2dShape&, const float* x, const float* w, const Finish& finish, float* y,
             uint64_t weight_version);

// A norm with fixed statistics behind the convolution, of which it becomes a part: with scale = gamma / sqrt(var + eps)
//   norm(conv(x, w)) = conv(x, scale w) + (beta - mean scale),    each computed in f64 and rounded once.
struct FixedNorm {
  const float *gamma, *beta, *mean, *var;  // [K]
  double eps;
};

// y = act(norm(conv(x, w)) + residual). `version` is as Conv2d's weight_version, of w and of all that the norm reads.
void forward_folded(Context&, const Conv2dShape&, const float* x, const float* w, const FixedNorm& norm,
                    const float* residual, bool relu, float* y, uint64_t version);

// Conv2d::backward_data, or, where `add`, grad_x += it.
void backward_data(Context&, const Conv2dShape&, const float* grad_y, const float* w, bool add,
                   float* grad_x);

}  // namespace saccade::conv2d_cpu
