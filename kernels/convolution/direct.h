// Convolutions of any shape on the CPU in f32, summed directly: through oneDNN, or, without it, in plain loops that are
// far slower. The functions are Conv2d's. oneDNN wants its own blocked weights: see `weight_version` there.
#pragma once

#include "kernels/convolution/conv2d.h"

namespace saccade::direct {

void forward(Context&, const Conv2dShape&, const float* x, const float* w, const float* b, float* y,
             uint64_t weight_version);
void backward_data(Context&, const Conv2dShape&, const float* grad_y, const float* w, float* grad_x);
void backward_weight(Context&, const Conv2dShape&, const float* x, const float* grad_y, float* grad_w,
                     float* grad_b);

}  // namespace saccade::direct
