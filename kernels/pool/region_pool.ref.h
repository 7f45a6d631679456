#pragma once

#include "kernels/pool/region_pool.h"

namespace saccade {

template <>
template <class T>
void RegionPool<Device::reference>::forward(Context&, const RegionShape& s, const T* x, T* y,
                                            int32_t* winner) {
  for (int64_t k = 0; k < s.count; ++k)
    for (int64_t n = 0; n < s.batch; ++n)
      for (int64_t c = 0; c < s.channels; ++c) {
        const int64_t first = s.bands[k].begin * s.width, last = s.bands[k].end * s.width;
        const T* in = x + n * s.height * s.width * s.channels + c;
        const int64_t out = (k * s.batch + n) * s.channels + c;
        T sum(0);
        int64_t best = first;
        for (int64_t q = first; q < last; ++q) {
          sum += in[q * s.channels];
          if (in[q * s.channels] > in[best * s.channels]) best = q;
        }
        y[out] = T(0);
        if (s.average) y[out] += sum / T(static_cast<double>(last - first));
        if (s.maximum) y[out] += in[best * s.channels];
        if (s.maximum) winner[out] = static_cast<int32_t>(best);
      }
}

template <>
template <class T>
void RegionPool<Device::reference>::backward(Context&, const RegionShape& s, const T* grad_y,
                                             const int32_t* winner, T* grad_x) {
  for (int64_t i = 0; i < s.batch * s.height * s.width * s.channels; ++i) grad_x[i] = T(0);
  for (int64_t k = 0; k < s.count; ++k)
    for (int64_t n = 0; n < s.batch; ++n)
      for (int64_t c = 0; c < s.channels; ++c) {
        const int64_t first = s.bands[k].begin * s.width, last = s.bands[k].end * s.width;
        T* to = grad_x + n * s.height * s.width * s.channels + c;
        const int64_t out = (k * s.batch + n) * s.channels + c;
        for (int64_t q = first; s.average && q < last; ++q)
          to[q * s.channels] += grad_y[out] / T(static_cast<double>(last - first));
        if (s.maximum) to[winner[out] * s.channels] += grad_y[out];
      }
}

}  // namespace saccade
