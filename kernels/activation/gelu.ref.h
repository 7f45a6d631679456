#pragma once

#include <cmath>

#include "kernels/activation/gelu.h"

namespace saccade {

template <>
template <class T>
void Gelu<Device::reference>::forward(Context&, int64_t count, const T* x, T* y) {
  using std::erf;
  for (int64_t i = 0; i < count; ++i) y[i] = x[i] * (T(1) + erf(x[i] * T(0.70710678118654752))) * T(0.5);
}

template <>
template <class T>
void Gelu<Device::reference>::backward(Context&, int64_t count, const T* grad_y, const T* x, T* grad_x) {
  using std::erf;
  using std::exp;
  for (int64_t i = 0; i < count; ++i) {
    const T cumulative = (T(1) + erf(x[i] * T(0.70710678118654752))) * T(0.5);
    const T density = exp(x[i] * x[i] * T(-0.5)) * T(0.39894228040143268);
    grad_x[i] = grad_y[i] * (cumulative + x[i] * density);
  }
}

}  // namespace saccade
