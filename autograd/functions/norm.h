// Normalization on the tape.
#pragma once

#include "autograd/tape.h"
#include "kernels/pool/window.h"

namespace saccade {

struct BatchNormOptions {
  // train: the batch's statistics, which also move the running ones. eval: the running ones, as constants.
  // batch_only: the batch's, and the running ones stay.
  enum Mode { train, eval, batch_only } mode = train;
  double eps = 1e-5;
  double momentum = 0.1;  // the share of the new statistics
  bool relu = false;
};

// y = act(gamma (x - mean) / sqrt(var + eps) + beta + residual), per channel (the last dimension).
// `column_sums`, where not null and not empty, are x's: what of it is summed already (convolution.h).
// `pool`, where not null, slides over y, and the result is max_pool2d(y): a picture of y at a time is computed, pooled
// and forgotten while it is in the cache. Then there is no residual; Error where there is one, or where the pool's
// pictures are not x's.
// x [..., C] of any rank from 2, gamma and beta (may be null) [C], running_mean and running_var [C] (written
// in train mode), residual (may be null) as x. act is ReLU when options.relu. InputError when shapes do not
// fit, or train mode meets one value per channel.
Variable batch_norm(Tape& tape, const Variable& x, const Variable& gamma, const Variable* beta,
                    const Tensor& running_mean, const Tensor& running_var, const BatchNormOptions& options,
                    const Variable* residual = nullptr, const std::vector<double>* column_sums = nullptr,
                    const Window* pool = nullptr);

// The InputErrors of batch_norm() for an x of this shape and type.
void check_batch_norm(const Shape& x, DType dtype, const Variable& gamma, const Variable* beta,
                      const Tensor& running_mean, const Tensor& running_var, const BatchNormOptions& options,
                      const Variable* residual);

}  // namespace saccade
