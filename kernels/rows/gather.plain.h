// The plain kernels of gather.h: a thread for each element of y,
// which for a sum looks through the whole index.
#pragma once

#include "kernels/common/each.h"

namespace saccade {
inline namespace SACCADE_TARGET {

template <class T>
struct PlainGather {
  int64_t rows, width;
  const T* x;
  const int64_t* index;
  T* y;

  __device__ void operator()(int64_t item) const {
    const int64_t row = index[item / width];
    const bool inside = row >= 0 && row < rows;
    y[item] = inside ? x[row * width + item % width] : static_cast<T>(__uint_as_float(0x7fc00000u));
  }
};

template <class T>
struct PlainScatterAdd {
  int64_t picked, width;
  const T* x;
  const int64_t* index;
  T* y;

  __device__ void operator()(int64_t item) const {
    float sum = 0;
    for (int64_t k = 0; k < picked; ++k)
      if (index[k] == item / width) sum += static_cast<float>(x[k * width + item % width]);
    y[item] = static_cast<T>(sum);
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
