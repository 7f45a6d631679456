// The softmax of each row, with m_r the largest element of row r:
//
//   y[r,c] = exp(x[r,c] - m_r) / sum over c of exp(x[r,c] - m_r)
//
// A row that is -infinity everywhere (all masked) gives zeros. x, y [rows, columns]; y may alias x, and grad_x may
// alias grad_y. Outputs are overwritten. Floor, for E elements of s bytes: 2 s E bytes forward, 3 s E backward.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct Softmax {
  template <class T>
  static void forward(Context&, int64_t rows, int64_t columns, const T* x, T* y);

  // grad_x = y * (grad_y - the sum of grad_y * y over the row)
  template <class T>
  static void backward(Context&, int64_t rows, int64_t columns, const T* grad_y, const T* y, T* grad_x);

  static Floor floor(int64_t count, int element_bytes) {
    return {2.0 * element_bytes * static_cast<double>(count), 5.0 * static_cast<double>(count)};
  }
};

}  // namespace saccade
