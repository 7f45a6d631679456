#pragma once

#include "kernels/pool/bin_pool.h"

namespace saccade {

template <>
template <class T>
void BinPool<Device::reference>::forward(Context&, const BinPoolShape& s, const T* features,
                                         const int32_t* corner, T* output) {
  s.check_sizes();
  for (int64_t n = 0; n < s.batch; ++n) {
    const int32_t* first = corner + 3 * n;
    s.check_corner(n, first);
    for (int64_t c = 0; c < s.channels; ++c) {
      T sum(0);
      for (int64_t t = first[0]; t < first[0] + s.bin_t; ++t)
        for (int64_t h = first[1]; h < first[1] + s.bin_h; ++h)
          for (int64_t w = first[2]; w < first[2] + s.bin_w; ++w)
            sum += features[(((n * s.time + t) * s.height + h) * s.width + w) * s.channels + c];
      output[n * s.channels + c] = sum / T(static_cast<double>(s.bin_cells()));
    }
  }
}

template <>
template <class T>
void BinPool<Device::reference>::backward(Context&, const BinPoolShape& s, const T* grad_output,
                                          const int32_t* corner, bool accumulate, T* grad_features) {
  s.check_sizes();
  for (int64_t n = 0; n < s.batch; ++n) {
    const int32_t* first = corner + 3 * n;
    s.check_corner(n, first);
    for (int64_t t = 0; t < s.time; ++t)
      for (int64_t h = 0; h < s.height; ++h)
        for (int64_t w = 0; w < s.width; ++w) {
          const bool inside = t >= first[0] && t < first[0] + s.bin_t && h >= first[1] &&
                              h < first[1] + s.bin_h && w >= first[2] && w < first[2] + s.bin_w;
          for (int64_t c = 0; c < s.channels; ++c) {
            T& grad = grad_features[(((n * s.time + t) * s.height + h) * s.width + w) * s.channels + c];
            if (!accumulate) grad = T(0);
            if (inside) grad += grad_output[n * s.channels + c] / T(static_cast<double>(s.bin_cells()));
          }
        }
  }
}

}  // namespace saccade
