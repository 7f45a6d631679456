#pragma once

#include "kernels/elementwise/set_all.h"

namespace saccade {

template <>
template <class T>
void SetAll<Device::reference>::to(Context&, int64_t count, double value, T* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = T(value);
}

}  // namespace saccade
