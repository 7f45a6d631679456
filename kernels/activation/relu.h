// y = max(x, 0).   x, y [count]; y may alias x, and grad_x may alias grad_y. Outputs are overwritten.
// Floor: forward 2 s E bytes, backward 3 s E.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct Relu {
  template <class T>
  static void forward(Context&, int64_t count, const T* x, T* y);

  // grad_x = grad_y where y > 0, else 0. The gradient at x = 0 is 0.
  template <class T>
  static void backward(Context&, int64_t count, const T* grad_y, const T* y, T* grad_x);

  static Floor floor(int64_t count, int element_bytes) {
    return {2.0 * element_bytes * static_cast<double>(count), static_cast<double>(count)};
  }
};

}  // namespace saccade
