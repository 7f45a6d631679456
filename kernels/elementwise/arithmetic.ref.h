#pragma once

#include "kernels/elementwise/arithmetic.h"

namespace saccade {

template <>
template <class T>
void Arithmetic<Device::reference>::add(Context&, int64_t count, const T* a, const T* b, T* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = a[i] + b[i];
}

template <>
template <class T>
void Arithmetic<Device::reference>::subtract(Context&, int64_t count, const T* a, const T* b, T* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = a[i] - b[i];
}

template <>
template <class T>
void Arithmetic<Device::reference>::multiply(Context&, int64_t count, const T* a, const T* b, T* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = a[i] * b[i];
}

template <>
template <class T>
void Arithmetic<Device::reference>::divide(Context&, int64_t count, const T* a, const T* b, T* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = a[i] / b[i];
}

template <>
template <class T>
void Arithmetic<Device::reference>::scale(Context&, int64_t count, double factor, const T* x, T* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = T(factor) * x[i];
}

template <>
template <class T>
void Arithmetic<Device::reference>::divide_gradient(Context&, int64_t count, const T* grad_y, const T* y,
                                                    const T* b, T* grad_b) {
  for (int64_t i = 0; i < count; ++i) grad_b[i] = -grad_y[i] * y[i] / b[i];
}

template <>
template <class T>
void Arithmetic<Device::reference>::multiply_gradients(Context&, int64_t count, const T* grad_y, const T* a,
                                                       const T* b, T* grad_a, T* grad_b) {
  for (int64_t i = 0; i < count; ++i) {
    grad_a[i] = grad_y[i] * b[i];
    grad_b[i] = grad_y[i] * a[i];
  }
}

template <>
template <class T>
void Arithmetic<Device::reference>::divide_gradients(Context&, int64_t count, const T* grad_y, const T* y,
                                                     const T* b, T* grad_a, T* grad_b) {
  for (int64_t i = 0; i < count; ++i) {
    grad_a[i] = grad_y[i] / b[i];
    grad_b[i] = -grad_y[i] * y[i] / b[i];
  }
}

}  // namespace saccade
