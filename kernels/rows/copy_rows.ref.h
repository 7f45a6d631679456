#pragma once

#include "kernels/rows/copy_rows.h"

namespace saccade {

template <>
template <class T>
void CopyRows<Device::reference>::copy(Context&, int64_t rows, int64_t width, const T* x, int64_t x_pitch,
                                       T* y, int64_t y_pitch) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < width; ++c) y[r * y_pitch + c] = x[r * x_pitch + c];
}

template <>
template <class T>
void CopyRows<Device::reference>::pad(Context&, int64_t rows, int64_t width, const T* x, int64_t begin, T* y,
                                      int64_t y_width) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < y_width; ++c)
      y[r * y_width + c] = c >= begin && c < begin + width ? x[r * width + c - begin] : T(0);
}

}  // namespace saccade
