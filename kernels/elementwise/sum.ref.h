#pragma once

#include "kernels/elementwise/broadcast.ref.h"
#include "kernels/elementwise/sum.h"

namespace saccade {

template <>
template <class T>
void Sum<Device::reference>::forward(Context&, int64_t outer, int64_t reduced, int64_t inner, double scale,
                                     const T* x, T* y) {
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      T sum(0);
      for (int64_t r = 0; r < reduced; ++r) sum += x[(o * reduced + r) * inner + i];
      y[o * inner + i] = T(scale) * sum;
    }
}

template <>
template <class T>
void Sum<Device::reference>::of_products(Context&, int64_t outer, int64_t reduced, int64_t inner, const T* a,
                                         const T* b, T* y) {
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      T sum(0);
      for (int64_t r = 0; r < reduced; ++r)
        sum += a[(o * reduced + r) * inner + i] * b[(o * reduced + r) * inner + i];
      y[o * inner + i] = sum;
    }
}

template <>
template <class T>
void Sum<Device::reference>::product_gradients(Context& context, int64_t outer, int64_t reduced,
                                               int64_t inner, const T* grad_y, const T* a, const T* b,
                                               T* grad_a, T* grad_b) {
  Broadcast<Device::reference>::multiply(context, {outer, reduced, inner}, grad_y, b, grad_a);
  of_products(context, outer, reduced, inner, grad_y, a, grad_b);
}

template <>
template <class T>
void Sum<Device::reference>::backward(Context&, int64_t outer, int64_t reduced, int64_t inner, double scale,
                                      const T* grad_y, T* grad_x) {
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t r = 0; r < reduced; ++r)
      for (int64_t i = 0; i < inner; ++i)
        grad_x[(o * reduced + r) * inner + i] = T(scale) * grad_y[o * inner + i];
}

}  // namespace saccade
