// The plain kernel of bin_pool.h, forward only: a thread for each output.
#pragma once

#include "kernels/common/each.h"
#include "kernels/pool/bin_pool.h"

namespace saccade {
inline namespace SACCADE_TARGET {

template <class T>
struct PlainBinPool {
  BinPoolShape s;
  const T* features;
  const int32_t* corners;
  T* output;

  __device__ void operator()(int64_t item) const {
    const int64_t n = item / s.channels, c = item % s.channels;
    const int32_t* corner = corners + 3 * n;
    float sum = 0;
    bool held = true;
    for (int64_t t = corner[0]; t < corner[0] + s.bin_t; ++t)
      for (int64_t h = corner[1]; h < corner[1] + s.bin_h; ++h)
        for (int64_t w = corner[2]; w < corner[2] + s.bin_w; ++w) {
          const bool inside = t >= 0 && t < s.time && h >= 0 && h < s.height && w >= 0 && w < s.width;
          held = held && inside;
          if (inside)
            sum += static_cast<float>(
                features[(((n * s.time + t) * s.height + h) * s.width + w) * s.channels + c]);
        }
    const float cells = static_cast<float>(s.bin_t * s.bin_h * s.bin_w);
    output[item] = static_cast<T>(held ? sum / cells : __uint_as_float(0x7fc00000u));
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
