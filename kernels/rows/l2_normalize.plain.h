// The plain kernel of l2_normalize.h, forward only: a thread for each row goes along it twice.
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
    double squares = 0;  // one thread adds them one by one: in f32 a long row would lose digits
    for (int64_t i = row * columns; i < (row + 1) * columns; ++i) {
      const double value = static_cast<float>(x[i]);
      squares += value * value;
    }
    const float length = static_cast<float>(sqrt(squares)), clamped = length > epsilon ? length : epsilon;
    norm[row] = clamped;
    for (int64_t i = row * columns; i < (row + 1) * columns; ++i)
      y[i] = static_cast<T>(static_cast<float>(x[i]) / clamped);
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
