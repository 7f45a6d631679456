#pragma once

#include <cmath>

#include "kernels/pool/max_pool2d.h"

namespace saccade {

template <>
template <class T>
void MaxPool2d<Device::reference>::forward(Context&, const Window& w, const T* x, T* y, uint8_t* tap) {
  using std::isnan;
  for (int64_t n = 0; n < w.batch; ++n)
    for (int64_t i = 0; i < w.out_height(); ++i)
      for (int64_t j = 0; j < w.out_width(); ++j)
        for (int64_t c = 0; c < w.channels; ++c) {
          T best{};
          int64_t winner = -1;
          for (int64_t r = 0; r < w.kernel; ++r)
            for (int64_t s = 0; s < w.kernel; ++s) {
              const int64_t row = i * w.stride - w.padding + r, column = j * w.stride - w.padding + s;
              if (row < 0 || row >= w.height || column < 0 || column >= w.width) continue;
              const T value = x[((n * w.height + row) * w.width + column) * w.channels + c];
              if (winner < 0 || value > best || (isnan(value) && !isnan(best))) {
                best = value;
                winner = r * w.kernel + s;
              }
            }
          const int64_t out = ((n * w.out_height() + i) * w.out_width() + j) * w.channels + c;
          y[out] = best;
          tap[out] = static_cast<uint8_t>(winner);
        }
}

template <>
template <class T>
void MaxPool2d<Device::reference>::backward(Context&, const Window& w, const T* grad_y, const uint8_t* tap,
                                            T* grad_x) {
  for (int64_t k = 0; k < w.in_count(); ++k) grad_x[k] = T(0);
  for (int64_t n = 0; n < w.batch; ++n)
    for (int64_t i = 0; i < w.out_height(); ++i)
      for (int64_t j = 0; j < w.out_width(); ++j)
        for (int64_t c = 0; c < w.channels; ++c) {
          const int64_t out = ((n * w.out_height() + i) * w.out_width() + j) * w.channels + c;
          const int64_t row = i * w.stride - w.padding + tap[out] / w.kernel;
          const int64_t column = j * w.stride - w.padding + tap[out] % w.kernel;
          grad_x[((n * w.height + row) * w.width + column) * w.channels + c] += grad_y[out];
        }
}

}  // namespace saccade
