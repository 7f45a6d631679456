// y = x * Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2: the exact form, without tanh.
// x, y [count]; y may alias x, and grad_x may alias grad_y. Outputs are overwritten.
// Source: Hendrycks, Gimpel, "Gaussian error linear units", 2016. Floor: forward 2 s E bytes, backward 3 s E.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct Gelu {
  template <class T>
  static void forward(Context&, int64_t count, const T* x, T* y);

  // grad_x = grad_y * (Phi(x) + x phi(x)), phi(x) = exp(-x^2 / 2) / sqrt(2 pi).
  template <class T>
  static void backward(Context&, int64_t count, const T* grad_y, const T* x, T* grad_x);

  static Floor floor(int64_t count, int element_bytes) {
    return {2.0 * element_bytes * static_cast<double>(count), 10.0 * static_cast<double>(count)};
  }
};

}  // namespace saccade
