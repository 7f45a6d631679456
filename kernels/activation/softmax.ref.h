#pragma once

#include <cmath>
#include <limits>

#include "kernels/activation/softmax.h"

namespace saccade {

template <>
template <class T>
void Softmax<Device::reference>::forward(Context&, int64_t rows, int64_t columns, const T* x, T* y) {
  using std::exp;

  for (int64_t r = 0; r < rows; ++r) {
    const T* in = x + r * columns;
    T* out = y + r * columns;
    T best = in[0];
    for (int64_t c = 1; c < columns; ++c) best = in[c] > best ? in[c] : best;
    if (best == T(-std::numeric_limits<double>::infinity())) {
      for (int64_t c = 0; c < columns; ++c) out[c] = T(0);
      continue;
    }
    T sum(0);
    for (int64_t c = 0; c < columns; ++c) {
      out[c] = exp(in[c] - best);
      sum += out[c];
    }
    for (int64_t c = 0; c < columns; ++c) out[c] = out[c] / sum;
  }
}

template <>
template <class T>
void Softmax<Device::reference>::backward(Context&, int64_t rows, int64_t columns, const T* grad_y,
                                          const T* y, T* grad_x) {
  for (int64_t r = 0; r < rows; ++r) {
    T dot(0);
    for (int64_t c = 0; c < columns; ++c) dot += grad_y[r * columns + c] * y[r * columns + c];
    for (int64_t c = 0; c < columns; ++c)
      grad_x[r * columns + c] = y[r * columns + c] * (grad_y[r * columns + c] - dot);
  }
}

}  // namespace saccade
