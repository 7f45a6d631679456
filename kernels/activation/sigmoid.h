// y = 1 / (1 + exp(-x)).   x, y [count]; y may alias x, and grad_x may alias grad_y. Outputs are overwritten.
// Floor: forward 2 s E bytes, backward 3 s E.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct Sigmoid {
  template <class T>
  static void forward(Context&, int64_t count, const T* x, T* y);

  // grad_x = grad_y * y * (1 - y).
  template <class T>
  static void backward(Context&, int64_t count, const T* grad_y, const T* y, T* grad_x);

  static Floor floor(int64_t count, int element_bytes) {
    return {2.0 * element_bytes * static_cast<double>(count), 4.0 * static_cast<double>(count)};
  }
};

}  // namespace saccade
