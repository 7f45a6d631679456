// y = a + b, a - b, a * b, a / b, factor * x, element by element: the registry's add,
// sub, mul, div, scale. Where b is smaller than a, add and mul are those of broadcast.h.
// All [count]; y may alias an input. Outputs are overwritten.
// Floor: s E bytes for each input and for each output.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct Arithmetic {
  template <class T>
  static void add(Context&, int64_t count, const T* a, const T* b, T* y);
  template <class T>
  static void subtract(Context&, int64_t count, const T* a, const T* b, T* y);
  template <class T>
  static void multiply(Context&, int64_t count, const T* a, const T* b, T* y);
  template <class T>
  static void divide(Context&, int64_t count, const T* a, const T* b, T* y);
  template <class T>
  static void scale(Context&, int64_t count, double factor, const T* x, T* y);

  // The gradient of y = a / b with respect to b: grad_b = -grad_y * y / b.
  template <class T>
  static void divide_gradient(Context&, int64_t count, const T* grad_y, const T* y, const T* b, T* grad_b);

  // Both gradients of y = a * b in one pass: grad_a = grad_y * b, grad_b = grad_y * a.
  template <class T>
  static void multiply_gradients(Context&, int64_t count, const T* grad_y, const T* a, const T* b, T* grad_a,
                                 T* grad_b);
  // Both gradients of y = a / b in one pass: grad_a = grad_y / b, grad_b = -grad_y * y / b.
  template <class T>
  static void divide_gradients(Context&, int64_t count, const T* grad_y, const T* y, const T* b, T* grad_a,
                               T* grad_b);

  static Floor floor(int64_t count, int inputs, int element_bytes) {
    return {(inputs + 1.0) * element_bytes * static_cast<double>(count), static_cast<double>(count)};
  }
};

}  // namespace saccade
