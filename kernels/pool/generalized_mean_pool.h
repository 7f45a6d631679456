// Generalized-mean pooling: y[n,c] = (mean over positions q of max(x[n,q,c], epsilon)^p)^(1/p).
// x [N,P,C], y [N,C], p [1] on the device (it is learned). p > 0; epsilon > 0, and epsilon^p must be a
// normal number. p = 1 is the mean, p -> infinity the maximum; p = 3 is computed without exponential and
// logarithm. Outputs are overwritten.
// Source: Radenovic, Tolias, Chum, "Fine-tuning CNN image retrieval with no human annotation", 2018, eq. 3.
// Floor: forward s (N P C + N C) bytes, backward 2 s N P C.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct GeneralizedMeanPool {
  template <class T>
  static void forward(Context&, int64_t batch, int64_t positions, int64_t channels, double epsilon,
                      const T* x, const T* p, T* y);

  // With u = max(x, epsilon) / y, whose p-th powers have mean 1:
  //   grad_x = grad_y / P * u^(p-1), 0 where x < epsilon
  //   grad_p = sum over n, c of grad_y * y / p * mean(u^p ln u)
  // The sum over n and c is taken in two fixed stages. Either gradient may be null.
  template <class T>
  static void backward(Context&, int64_t batch, int64_t positions, int64_t channels, double epsilon,
                       const T* grad_y, const T* x, const T* p, const T* y, T* grad_x, T* grad_p);

  static Floor floor(int64_t batch, int64_t positions, int64_t channels, int element_bytes) {
    const double in = static_cast<double>(batch * positions * channels);
    return {element_bytes * (in + static_cast<double>(batch * channels)), 3 * in};
  }
};

}  // namespace saccade
