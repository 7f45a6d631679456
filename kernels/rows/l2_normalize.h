// y[r,:] = x[r,:] / norm[r],  norm[r] = max(sqrt(sum over c of x[r,c]^2), epsilon).
// x, y [rows, columns], norm [rows] (kept for the gradient; f32 where x is bf16); y may alias x, and grad_x
// may alias grad_y. Outputs are overwritten. The square of the norm must be in range.
// Floor: forward 2 s E bytes, backward 3 s E.
#pragma once

#include "kernels/common/accumulator.h"
#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct L2Normalize {
  template <class T>
  static void forward(Context&, int64_t rows, int64_t columns, double epsilon, const T* x, T* y,
                      Accumulator<T>* norm);

  // grad_x = (grad_y - y <grad_y, y>) / norm; where the norm was clamped, grad_y / epsilon.
  template <class T>
  static void backward(Context&, int64_t rows, int64_t columns, double epsilon, const T* grad_y, const T* y,
                       const Accumulator<T>* norm, T* grad_x);

  static Floor floor(int64_t rows, int64_t columns, int element_bytes) {
    const double count = static_cast<double>(rows * columns);
    return {element_bytes * (2 * count + static_cast<double>(rows)), 3 * count};
  }
};

}  // namespace saccade
