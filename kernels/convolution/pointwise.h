// 1x1 convolutions on the CPU in f32: matrix products of pixels [N P Q, C] and weights [C, K], whose rows are the
// pixels of the image themselves, or every stride-th of them.
//
// Sums run over C (forward), K (grad_x) or the pixels (grad_w) in order (kernels/matmul/panels.h): the bits depend on
// the shape alone, not on the number of threads or the width of the vectors (avx2 or avx512).
#pragma once

#include "kernels/convolution/conv2d.h"

namespace saccade::pointwise {

bool takes(const Conv2dShape&);

// The floats of packed weights, and what packs them: once for each value of the weights.
int64_t weights_count(const Context&, const Conv2dShape&);
void pack_weights(Context&, const Conv2dShape&, const float* w, float* packed);

// As Conv2d's functions of these names.
void forward(Context&, const Conv2dShape&, const float* x, const float* packed, const float* b, float* y);
void backward_data(Context&, const Conv2dShape&, const float* grad_y, const float* w, float* grad_x);
void backward_weight(Context&, const Conv2dShape&, const float* x, const float* grad_y, float* grad_w);

}  // namespace saccade::pointwise
