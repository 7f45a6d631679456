#pragma once

#include <cmath>

#include "kernels/activation/tanh.h"

namespace saccade {

template <>
template <class T>
void Tanh<Device::reference>::forward(Context&, int64_t count, const T* x, T* y) {
  using std::tanh;
  for (int64_t i = 0; i < count; ++i) y[i] = tanh(x[i]);
}

template <>
template <class T>
void Tanh<Device::reference>::backward(Context&, int64_t count, const T* grad_y, const T* y, T* grad_x) {
  for (int64_t i = 0; i < count; ++i) grad_x[i] = grad_y[i] * (T(1) - y[i] * y[i]);
}

}  // namespace saccade
