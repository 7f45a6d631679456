#pragma once

#include "kernels/activation/relu.h"

namespace saccade {

template <>
template <class T>
void Relu<Device::reference>::forward(Context&, int64_t count, const T* x, T* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = x[i] > T(0) ? x[i] : T(0);
}

template <>
template <class T>
void Relu<Device::reference>::backward(Context&, int64_t count, const T* grad_y, const T* y, T* grad_x) {
  for (int64_t i = 0; i < count; ++i) grad_x[i] = y[i] > T(0) ? grad_y[i] : T(0);
}

}  // namespace saccade
