#pragma once

#include "kernels/rows/transpose.h"

namespace saccade {

template <>
template <class T>
void Transpose<Device::reference>::forward(Context&, int64_t rows, int64_t columns, const T* x, T* y) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) y[c * rows + r] = x[r * columns + c];
}

}  // namespace saccade
