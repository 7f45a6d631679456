// Batch normalization, fused with the residual sum and the ReLU that follow it, on a matrix x [rows, channels] (an NHWC
// image has rows = N H W). For each channel c:
//
//   mean   = sum_r x[r,c] / rows
//   var    = sum_r (x[r,c] - mean)^2 / rows
//   invstd = 1 / sqrt(var + eps)
//   y[r,c] = act(gamma (x[r,c] - mean) invstd + beta + residual[r,c]),   act(z) = relu ? max(z, 0) : z
//
// Source: Ioffe, Szegedy: "Batch Normalization" (2015), algorithms 1 and 2. The running statistics follow those of the
// batch. As in other libraries, the running variance takes the unbiased estimate:
//
//   running_mean = (1 - momentum) running_mean + momentum mean
//   running_var  = (1 - momentum) running_var + momentum var rows / (rows - 1)
//
// Statistics, gamma, beta and their gradients are [channels] in the accumulator type. beta and residual may be null.
// Outputs are overwritten, except for the running statistics, which are updated.
//
// Floor, for E = rows * channels elements of s bytes: forward 2 s E bytes (3 s E with a residual), backward 3 s E
// (5 s E with a residual). A second read of x is not in it, although no norm in training avoids it unless x
// stays in cache.
#pragma once

#include "kernels/common/accumulator.h"
#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct BatchNorm {
  // mean and invstd of the batch. running_mean and running_var may both be null: then nothing is updated. Without rows
  // mean and var are 0, and nothing is updated. The running variance of one row would be infinite: the
  // caller refuses it.
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

  // The first pass of backward. With g = grad_y where the ReLU let its argument through, and 0 elsewhere:
  //
  //   grad_beta  = sum_r g
  //   grad_gamma = sum_r g (x - mean) invstd
  //
  // g itself is written where `g` is not null; it may alias grad_y. The ReLU let through where y > 0. Without a
  // residual y may be null: it is then computed again from x.
  template <class T>
  static void reduce(Context&, int64_t rows, int64_t channels, const T* grad_y, const T* x, const T* y,
                     const Accumulator<T>* mean, const Accumulator<T>* invstd, const Accumulator<T>* gamma,
                     const Accumulator<T>* beta, bool relu, Accumulator<T>* grad_gamma,
                     Accumulator<T>* grad_beta, T* g);

  // The second pass of backward:
  //
  //   grad_x = gamma invstd (g - grad_beta / rows - (x - mean) invstd grad_gamma / rows)
  //
  // or, with fixed statistics (grad_gamma and grad_beta null), gamma invstd g. With `relu`, grad_y is not masked yet,
  // and is masked here by y computed again from x; without it grad_y is g. grad_x may alias grad_y.
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
