// The sum over one dimension:
//
//   y[o,i] = scale * sum over r of x[o,r,i]
//
// x [outer, reduced, inner], y [outer, inner]. With inner = 1 it is the sum over the last dimension, with outer = 1 the
// sum over the leading ones (the gradient of a bias), with both the sum of all elements. Outputs are overwritten;
// nothing aliases. The sum has two stages: it cuts the reduced dimension into parts that depend on the shape alone, and
// then adds the parts in order. So the result does not depend on the number of threads.
//
// Floor, for E elements of s bytes: s (E + outer inner) bytes.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct Sum {
  template <class T>
  static void forward(Context&, int64_t outer, int64_t reduced, int64_t inner, double scale, const T* x,
                      T* y);

  // y[o,i] = sum over r of a[o,r,i] * b[o,r,i]
  template <class T>
  static void of_products(Context&, int64_t outer, int64_t reduced, int64_t inner, const T* a, const T* b,
                          T* y);

  // The gradients of y[o,r,i] = a[o,r,i] * b[o,i], in which b is broadcast (kernels/elementwise/broadcast.h):
  //
  //   grad_a[o,r,i] = grad_y[o,r,i] * b[o,i]
  //   grad_b[o,i]   = sum over r of grad_y[o,r,i] * a[o,r,i]
  //
  // Floor: s (3 E + 2 outer inner) bytes.
  template <class T>
  static void product_gradients(Context&, int64_t outer, int64_t reduced, int64_t inner, const T* grad_y,
                                const T* a, const T* b, T* grad_a, T* grad_b);

  // grad_x[o,r,i] = scale * grad_y[o,i]
  template <class T>
  static void backward(Context&, int64_t outer, int64_t reduced, int64_t inner, double scale, const T* grad_y,
                       T* grad_x);

  static Floor floor(int64_t outer, int64_t reduced, int64_t inner, int element_bytes) {
    const double in = static_cast<double>(outer * reduced * inner);
    return {element_bytes * (in + static_cast<double>(outer * inner)), in};
  }
};

}  // namespace saccade
