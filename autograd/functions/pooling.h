// Pooling over images, NHWC.
#pragma once

#include "autograd/tape.h"

namespace saccade {

// The largest value of each kernel x kernel window; padding never wins, ties go to the first.
// x [N,H,W,C] -> [N,OH,OW,C], OH = (H + 2 padding - kernel) / stride + 1; kernel <= 15, padding <= kernel
// / 2.
Variable max_pool2d(Tape& tape, const Variable& x, int64_t kernel, int64_t stride, int64_t padding = 0);

// The mean of each window; padding counts as zeros. Shapes as for max_pool2d.
Variable average_pool2d(Tape& tape, const Variable& x, int64_t kernel, int64_t stride, int64_t padding = 0);

// The mean over all positions. x [N,...,C] -> [N,C].
Variable global_average_pool(Tape& tape, const Variable& x);

}  // namespace saccade
