#pragma once

#include <cmath>

#include "kernels/rows/l2_normalize.h"

namespace saccade {

template <>
template <class T>
void L2Normalize<Device::reference>::forward(Context&, int64_t rows, int64_t columns, double epsilon,
                                             const T* x, T* y, Accumulator<T>* norm) {
  using std::sqrt;
  for (int64_t r = 0; r < rows; ++r) {
    T sum(0);
    for (int64_t c = 0; c < columns; ++c) sum += x[r * columns + c] * x[r * columns + c];
    const T length = sqrt(sum);
    norm[r] = length > T(epsilon) ? length : T(epsilon);
    for (int64_t c = 0; c < columns; ++c) y[r * columns + c] = x[r * columns + c] / norm[r];
  }
}

template <>
template <class T>
void L2Normalize<Device::reference>::backward(Context&, int64_t rows, int64_t columns, double epsilon,
                                              const T* grad_y, const T* y, const Accumulator<T>* norm,
                                              T* grad_x) {
  for (int64_t r = 0; r < rows; ++r) {
    T dot(0);
    for (int64_t c = 0; c < columns; ++c) dot += grad_y[r * columns + c] * y[r * columns + c];
    if (!(norm[r] > T(epsilon))) dot = T(0);
    for (int64_t c = 0; c < columns; ++c)
      grad_x[r * columns + c] = (grad_y[r * columns + c] - y[r * columns + c] * dot) / norm[r];
  }
}

}  // namespace saccade
