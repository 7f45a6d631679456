#pragma once

#include "kernels/rows/copy_rows.h"

namespace saccade {

template <>
template <class T>
void CopyRows<Device::reference>::join(Context&, int64_t rows, const std::vector<Columns<const T>>& parts,
                                       T* y) {
  for (int64_t r = 0; r < rows; ++r)
    for (const Columns<const T>& part : parts)
      for (int64_t c = 0; c < part.width; ++c) *y++ = part.data ? part.data[r * part.width + c] : T(0);
}

template <>
template <class T>
void CopyRows<Device::reference>::cut(Context&, int64_t rows, const T* x,
                                      const std::vector<Columns<T>>& parts) {
  for (int64_t r = 0; r < rows; ++r)
    for (const Columns<T>& part : parts)
      for (int64_t c = 0; c < part.width; ++c, ++x)
        if (part.data) part.data[r * part.width + c] = *x;
}

}  // namespace saccade
