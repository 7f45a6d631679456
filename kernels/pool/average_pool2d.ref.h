#pragma once

#include "kernels/pool/average_pool2d.h"

namespace saccade {

template <>
template <class T>
void AveragePool2d<Device::reference>::forward(Context&, const Window& w, const T* x, T* y) {
  for (int64_t n = 0; n < w.batch; ++n)
    for (int64_t i = 0; i < w.out_height(); ++i)
      for (int64_t j = 0; j < w.out_width(); ++j)
        for (int64_t c = 0; c < w.channels; ++c) {
          T sum(0);
          for (int64_t r = 0; r < w.kernel; ++r)
            for (int64_t s = 0; s < w.kernel; ++s) {
              const int64_t row = i * w.stride - w.padding + r, column = j * w.stride - w.padding + s;
              if (row < 0 || row >= w.height || column < 0 || column >= w.width) continue;
              sum += x[((n * w.height + row) * w.width + column) * w.channels + c];
            }
          y[((n * w.out_height() + i) * w.out_width() + j) * w.channels + c] =
              sum / T(static_cast<double>(w.kernel * w.kernel));
        }
}

template <>
template <class T>
void AveragePool2d<Device::reference>::backward(Context&, const Window& w, const T* grad_y, T* grad_x) {
  for (int64_t k = 0; k < w.in_count(); ++k) grad_x[k] = T(0);
  for (int64_t n = 0; n < w.batch; ++n)
    for (int64_t i = 0; i < w.out_height(); ++i)
      for (int64_t j = 0; j < w.out_width(); ++j)
        for (int64_t c = 0; c < w.channels; ++c)
          for (int64_t r = 0; r < w.kernel; ++r)
            for (int64_t s = 0; s < w.kernel; ++s) {
              const int64_t row = i * w.stride - w.padding + r, column = j * w.stride - w.padding + s;
              if (row < 0 || row >= w.height || column < 0 || column >= w.width) continue;
              grad_x[((n * w.height + row) * w.width + column) * w.channels + c] +=
                  grad_y[((n * w.out_height() + i) * w.out_width() + j) * w.channels + c] /
                  T(static_cast<double>(w.kernel * w.kernel));
            }
}

}  // namespace saccade
