#pragma once

#include "kernels/elementwise/broadcast.h"

namespace saccade {

template <>
template <class T>
void Broadcast<Device::reference>::add(Context&, const BroadcastShape& s, const T* x, const T* b, T* y) {
  for (int64_t o = 0; o < s.outer; ++o)
    for (int64_t r = 0; r < s.repeated; ++r)
      for (int64_t i = 0; i < s.inner; ++i) {
        const int64_t at = (o * s.repeated + r) * s.inner + i;
        y[at] = x[at] + b[o * s.inner + i];
      }
}
template <>
template <class T>
void Broadcast<Device::reference>::multiply(Context&, const BroadcastShape& s, const T* x, const T* b, T* y) {
  for (int64_t o = 0; o < s.outer; ++o)
    for (int64_t r = 0; r < s.repeated; ++r)
      for (int64_t i = 0; i < s.inner; ++i) {
        const int64_t at = (o * s.repeated + r) * s.inner + i;
        y[at] = x[at] * b[o * s.inner + i];
      }
}

}  // namespace saccade
