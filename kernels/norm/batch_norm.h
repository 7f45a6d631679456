// Batch normalization fused with the residual sum and the ReLU that follow it, on a matrix x [rows, channels]
// (an NHWC image is rows = N H W). Per channel c:
//
//   mean = sum_r x[r,c] / rows,   var = sum_r (x[r,c] - mean)^2 / rows,   invstd = 1 / sqrt(var + eps)
//   y = act(gamma (x - mean) invstd + beta + residual),   act(z) = relu ? max(z, 0) : z
//
// Source: Ioffe, Szegedy: "Batch Normalization" (2015), algorithms 1 and 2. As everywhere, the running
// variance takes the unbiased estimate: running = (1 - momentum) running + momentum var rows / (rows - 1).
//
// Statistics, gamma, beta and their gradients are [channels] in the accumulator type. beta and residual may
// be null. Everything is overwritten, but running statistics, which are updated.
//
// Floor, s bytes per element, E = rows * channels: forward 2sE (3sE with a residual); a second read of x is
// not in it, although no training norm avoids it unless x stays in cache. Backward 3sE (5sE with a residual).
#pragma once

#include "kernels/common/accumulator.h"
#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct BatchNorm {
  // mean and invstd of the batch. running_mean and running_var, both or none, may be null: no update. With no
  // rows mean is 0, var is 0 and nothing is updated. The running variance of one row would be infinite: the
  // caller refuses that.
  template <class T>
  static void statistics(Context&, int64_t rows, int64_t channels, const T* x, double eps, double momentum,
                         Accumulator<T>* mean, Accumulator<T>* invstd, Accumulator<T>* running_mean,
                         Accumulator<T>* running_var);

  // invstd = 1 / sqrt(var + eps)
  template <class T>
  static void invert(Context&, int64_t channels, const T* var, double eps, T* invstd);

  // y from x and given statistics. y may alias x or residual.
  template <class T>
  static void apply(Context&, int64_t rows, int64_t channels, const T* x, const Accumulator<T>* mean,
                    const Accumulator<T>* invstd, const Accumulator<T>* gamma, const Accumulator<T>* beta,
                    const T* residual, bool relu, T* y);

  // First pass of the gradient. With g = grad_y where the ReLU let x through, else 0:
  //   grad_beta = sum_r g,   grad_gamma = sum_r g (x - mean) invstd,   g itself where `g` is not null.
  // The ReLU let through where y > 0; with y null (no residual) y is computed again from x. g may alias
  // grad_y.
  template <class T>
  static void reduce(Context&, int64_t rows, int64_t channels, const T* grad_y, const T* x, const T* y,
                     const Accumulator<T>* mean, const Accumulator<T>* invstd, const Accumulator<T>* gamma,
                     const Accumulator<T>* beta, bool relu, Accumulator<T>* grad_gamma,
                     Accumulator<T>* grad_beta, T* g);

  // Second pass: grad_x = gamma invstd (g - grad_beta / rows - (x - mean) invstd grad_gamma / rows), or with
  // fixed statistics (grad_gamma and grad_beta null) gamma invstd g. relu: grad_y is still to be masked, by y
  // computed again from x; else it is g. grad_x may alias grad_y.
  template <class T>
  static void propagate(Context&, int64_t rows, int64_t channels, const T* grad_y, const T* x,
                        const Accumulator<T>* mean, const Accumulator<T>* invstd, const Accumulator<T>* gamma,
                        const Accumulator<T>* beta, bool relu, const Accumulator<T>* grad_gamma,
                        const Accumulator<T>* grad_beta, T* grad_x);

  static Floor floor(int64_t rows, int64_t channels, bool residual, int element_bytes) {
    const double elements = static_cast<double>(rows) * static_cast<double>(channels);
    return {(residual ? 3.0 : 2.0) * element_bytes * elements + 16.0 * static_cast<double>(channels),
            7.0 * elements};
  }
};

}  // namespace saccade
