// Convolutions of any shape on the CPU in f32 as matrix products: the windows of x, a row [R S C] for each pixel of y,
// times the filters.
//
//   y [N P Q, K] = windows(x) [N P Q, R S C] * w^T,      grad_w = grad_y^T * windows(x)
//
// and grad_x is the same with windows of grad_y, of the taps that reach a pixel: with strides there are
// stride_h stride_w kinds of pixels that different taps reach. The windows of a 1x1 convolution of stride 1 are the
// pixels themselves; others are gathered a few rows at a time, so that they never leave the cache.
//
// Sums run over R S C (forward), the taps and K (grad_x) or the pixels (grad_w) in order (kernels/matmul/panels.h): the
// bits depend on the shape alone, not on the number of threads or the width of the vectors (avx2 or avx512).
#pragma once

#include "kernels/convolution/conv2d.h"
#include "kernels/convolution/finish.h"

namespace saccade::windows {

// The floats of packed weights, and what packs them: once for each value of the weights.
int64_t weights_count(const Context&, const Conv2dShape&);
void pack_weights(Context&, const Conv2dShape&, const float* w, float* packed);

// As Conv2d's functions of these names.
void forward(Context&, const Conv2dShape&, const float* x, const float* packed, const Finish&, float* y);
void backward_data(Context&, const Conv2dShape&, const float* grad_y, const float* w, bool add,
                   float* grad_x);
void backward_weight(Context&, const Conv2dShape&, const float* x, const float* grad_y, float* grad_w);

}  // namespace saccade::windows
