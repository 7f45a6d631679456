// y[r,c] = exp(x[r,c] - max_r) / sum over c of exp(x[r,c] - max_r). A row that is -infinity everywhere (all
// masked) gives zeros. x, y [rows, columns]; y may alias x, grad_x may alias grad_y. Overwrites its outputs.
// Floor: forward 2 s E bytes, backward 3 s E.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct Softmax {
  template <class T>
  static void forward(Context&, int64_t rows, int64_t columns, const T* x, T* y);

  // grad_x = y * (grad_y - <grad_y, y> of the row).
  template <class T>
  static void backward(Context&, int64_t rows, int64_t columns, const T* grad_y, const T* y, T* grad_x);

  static Floor floor(int64_t count, int element_bytes) {
    return {2.0 * element_bytes * static_cast<double>(count), 5.0 * static_cast<double>(count)};
  }
};

}  // namespace saccade
