// l2_normalize.h, plainly: a thread for each row, twice along it.
#pragma once

#include "kernels/common/each.h"

namespace saccade {
inline namespace SACCADE_TARGET {

template <class T>
struct PlainL2Normalize {
  int64_t columns;
  float epsilon;
  const T* x;
  T* y;
  float* norm;

  __device__ void operator()(int64_t row) const {
    float squares = 0;
    for (int64_t i = row * columns; i < (row + 1) * columns; ++i)
      squares += static_cast<float>(x[i]) * static_cast<float>(x[i]);
    const float length = sqrtf(squares), clamped = length > epsilon ? length : epsilon;
    norm[row] = clamped;
    for (int64_t i = row * columns; i < (row + 1) * columns; ++i)
      y[i] = static_cast<T>(static_cast<float>(x[i]) / clamped);
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
