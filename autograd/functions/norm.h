// Normalisation on the tape.
#pragma once

#include "autograd/tape.h"

namespace saccade {

struct BatchNormOptions {
  enum Mode {
    train,      // statistics of the batch, which also move the running ones
    eval,       // running statistics
    batch_only  // statistics of the batch; the running ones stay
  } mode = train;
  double eps = 1e-5, momentum = 0.1;
  bool relu = false;
};

// y = act(norm(x) gamma + beta + residual) over all dimensions but the last (kernels/norm/batch_norm.h).
// x, residual [..., C]; gamma, beta, running_mean, running_var [C]; beta and residual may be null.
Variable batch_norm(Tape& tape, const Variable& x, const Variable& gamma, const Variable* beta,
                    const Tensor& running_mean, const Tensor& running_var, const BatchNormOptions& options,
                    const Variable* residual = nullptr);

}  // namespace saccade
