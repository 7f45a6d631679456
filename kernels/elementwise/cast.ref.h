#pragma once

#include "kernels/elementwise/cast.h"

namespace saccade {

template <>
template <class From, class To>
void Cast<Device::reference>::convert(Context&, int64_t count, const From* x, To* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = To(x[i]);
}

template <>
template <class From, class To>
void Cast<Device::reference>::accumulate(Context&, int64_t count, const From* x, To* y) {
  for (int64_t i = 0; i < count; ++i) y[i] += To(x[i]);
}

}  // namespace saccade
