#pragma once

#include <cmath>

#include "kernels/activation/log_softmax.h"

namespace saccade {

template <>
template <class T>
void LogSoftmax<Device::reference>::forward(Context&, int64_t rows, int64_t columns, const T* x, T* y) {
  using std::exp;
  using std::log;
  for (int64_t r = 0; r < rows; ++r) {
    const T* in = x + r * columns;
    T* out = y + r * columns;
    T best = in[0];
    for (int64_t c = 1; c < columns; ++c) best = in[c] > best ? in[c] : best;
    T sum(0);
    for (int64_t c = 0; c < columns; ++c) sum += exp(in[c] - best);
    const T normalizer = log(sum);
    for (int64_t c = 0; c < columns; ++c) out[c] = in[c] - best - normalizer;
  }
}

template <>
template <class T>
void LogSoftmax<Device::reference>::backward(Context&, int64_t rows, int64_t columns, const T* grad_y,
                                             const T* y, T* grad_x) {
  using std::exp;
  for (int64_t r = 0; r < rows; ++r) {
    T sum(0);
    for (int64_t c = 0; c < columns; ++c) sum += grad_y[r * columns + c];
    for (int64_t c = 0; c < columns; ++c)
      grad_x[r * columns + c] = grad_y[r * columns + c] - exp(y[r * columns + c]) * sum;
  }
}

}  // namespace saccade
