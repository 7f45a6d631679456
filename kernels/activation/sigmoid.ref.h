#pragma once

#include <cmath>

#include "kernels/activation/sigmoid.h"

namespace saccade {

template <>
template <class T>
void Sigmoid<Device::reference>::forward(Context&, int64_t count, const T* x, T* y) {
  using std::exp;
  for (int64_t i = 0; i < count; ++i) y[i] = T(1) / (T(1) + exp(-x[i]));
}

template <>
template <class T>
void Sigmoid<Device::reference>::backward(Context&, int64_t count, const T* grad_y, const T* y, T* grad_x) {
  for (int64_t i = 0; i < count; ++i) grad_x[i] = grad_y[i] * y[i] * (T(1) - y[i]);
}

}  // namespace saccade
