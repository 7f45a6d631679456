// The plain kernel of transpose.h: a thread for each element of y.
#pragma once

#include "kernels/common/each.h"

namespace saccade {
inline namespace SACCADE_TARGET {

template <class T>
struct PlainTranspose {
  int64_t rows, columns;
  const T* x;
  T* y;

  __device__ void operator()(int64_t item) const { y[item] = x[item % rows * columns + item / rows]; }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
