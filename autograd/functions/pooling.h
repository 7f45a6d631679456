// Pooling over images, NHWC.
#pragma once

#include <vector>

#include "autograd/tape.h"
#include "kernels/pool/region_pool.h"
#include "kernels/pool/window.h"

namespace saccade {

// Of max_pool2d(), in pixels.
struct MaxPoolOptions {
  int64_t kernel, stride, padding;
};

// The shape [N,OH,OW,C] of what max_pool2d() or average_pool2d() makes of this window's pictures.
Shape output_of(const Window&);

// The largest value of each kernel x kernel window; padding never wins, ties go to the first.
// x [N,H,W,C] -> [N,OH,OW,C], OH = (H + 2 padding - kernel) / stride + 1; kernel <= 15, padding <= kernel / 2.
Variable max_pool2d(Tape& tape, const Variable& x, int64_t kernel, int64_t stride, int64_t padding = 0);

// The mean of each window; padding counts as zeros. Shapes as for max_pool2d.
Variable average_pool2d(Tape& tape, const Variable& x, int64_t kernel, int64_t stride, int64_t padding = 0);

// The mean over all positions. x [N,...,C] -> [N,C].
Variable global_average_pool(Tape& tape, const Variable& x);

// (mean over positions of max(x, epsilon)^p)^(1/p); p [1] may be learned. x [N,...,C] -> [N,C].
Variable generalized_mean_pool(Tape& tape, const Variable& x, const Variable& p, double epsilon = 1e-6);

// Average, maximum or the sum of both over each band of rows. x [N,H,W,C] -> [K,N,C], the bands first.
Variable region_pool(Tape& tape, const Variable& x, const std::vector<RowRange>& bands, bool average = true,
                     bool maximum = true);

// The bands of a pyramid: level l = 1..levels slides a window of l stripes by one stripe; stripes - l + 1
// bands a level, top to bottom, small levels first. levels = 1 gives plain stripes. Stripe s begins at row
// height * s / stripes. 6 stripes and 6 levels on 24 rows are the 21 bands of the pyramid model.
std::vector<RowRange> pyramid_bands(int64_t height, int64_t stripes, int64_t levels);

}  // namespace saccade
