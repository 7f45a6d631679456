#pragma once

#include "kernels/rows/gather.h"

namespace saccade {

template <>
template <class T>
void Gather<Device::reference>::gather(Context&, int64_t rows, int64_t picked, int64_t width, const T* x,
                                       const int64_t* index, T* y) {
  check_index(rows, picked, index);
  for (int64_t k = 0; k < picked; ++k)
    for (int64_t c = 0; c < width; ++c) y[k * width + c] = x[index[k] * width + c];
}

template <>
template <class T>
void Gather<Device::reference>::scatter_add(Context&, int64_t rows, int64_t picked, int64_t width, const T* x,
                                            const int64_t* index, T* y) {
  check_index(rows, picked, index);
  for (int64_t i = 0; i < rows * width; ++i) y[i] = T(0);
  for (int64_t k = 0; k < picked; ++k)
    for (int64_t c = 0; c < width; ++c) y[index[k] * width + c] += x[k * width + c];
}

}  // namespace saccade
