#pragma once

#include "kernels/elementwise/axpy.h"

namespace saccade {

template <>
template <class T>
void Axpy<Device::reference>::accumulate(Context&, int64_t count, double a, const T* x, T* y) {
  for (int64_t i = 0; i < count; ++i) y[i] += T(a) * x[i];
}

}  // namespace saccade
