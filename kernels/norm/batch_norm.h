// Batch normalisation with what follows it in the same pass (Ioffe and Szegedy: "Batch normalization", ICML 2015,
// algorithm 1; the running variance is unbiased, as PyTorch keeps it).
//
//   mean[c] = 1/R sum over r of x[r,c]        var[c] = 1/R sum of (x[r,c] - mean[c])^2
//   y[r,c]  = act( (x[r,c] - mean[c]) * invstd[c] * gamma[c] + beta[c] + residual[r,c] ),  invstd = 1/sqrt(var + eps)
//
// x, y, residual [R,C] (R = N*H*W of an NHWC tensor); gamma, beta, mean, invstd, running_* [C]; beta and residual may be
// null (zero); act is ReLU or nothing. y may alias x or residual, grad_x may alias grad_y, grad_residual may not alias.
// Outputs are overwritten. Floors: forward 2 s E (3 s E with a residual), and one more read of x for the statistics.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct BatchNorm {
  // Statistics of this batch. With running_mean: running = (1 - momentum) running + momentum * (mean, var R/(R-1)).
  template <class T>
  static void statistics(Context&, int64_t rows, int64_t channels, const T* x, double eps, double momentum, T* mean,
                         T* invstd, T* running_mean, T* running_var);

  // invstd from the running variance: what evaluation normalises with.
  template <class T>
  static void inverse_deviation(Context&, int64_t channels, const T* running_var, double eps, T* invstd);

  template <class T>
  static void apply(Context&, int64_t rows, int64_t channels, const T* x, const T* mean, const T* invstd,
                    const T* gamma, const T* beta, const T* residual, bool relu, T* y);

  // With g = grad_y where act passes (y > 0), else 0, and xhat = (x - mean) * invstd:
  //   grad_beta = sum g,  grad_gamma = sum g xhat,  grad_residual = g,
  //   grad_x = gamma invstd (g - grad_beta/R - xhat grad_gamma/R)   if the statistics came from this batch,
  //            gamma invstd g                                        if not.
  // y is read only when `relu`; grad_residual may be null.
  template <class T>
  static void backward(Context&, int64_t rows, int64_t channels, bool batch_statistics, bool relu, const T* x,
                       const T* y, const T* mean, const T* invstd, const T* gamma, const T* grad_y, T* grad_x,
                       T* grad_gamma, T* grad_beta, T* grad_residual);

  static Floor floor(int64_t rows, int64_t channels, bool residual, int element_bytes) {
    const double elements = static_cast<double>(rows * channels);
    return {(residual ? 3.0 : 2.0) * element_bytes * elements, 6 * elements};
  }
};

}  // namespace saccade
