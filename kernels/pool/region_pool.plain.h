// The plain kernels of region_pool.h: a thread for each output of a band,
// and one for each element of the gradient.
#pragma once

#include "kernels/common/each.h"
#include "kernels/pool/region_pool.h"

namespace saccade {
inline namespace SACCADE_TARGET {

constexpr int kMostBands = 56;  // bands that fit in the arguments of one launch

struct Bands {
  uint32_t count, begin[kMostBands], end[kMostBands];
};

template <class T>
struct PlainRegionPool {
  RegionShape s;
  RowRange band;
  const T* x;
  T* y;             // [N, C] of the band
  int32_t* winner;  // [N, C] of the band

  __device__ void operator()(int64_t item) const {
    const T* image = x + item / s.channels * s.height * s.width * s.channels + item % s.channels;
    const int64_t begin = band.begin * s.width, end = band.end * s.width;
    float sum = 0, best = static_cast<float>(image[begin * s.channels]);
    int64_t at = begin;
    for (int64_t q = begin; q < end; ++q) {
      const float value = static_cast<float>(image[q * s.channels]);
      sum += value;
      if (value > best) best = value, at = q;
    }
    const float mean = sum / static_cast<float>(end - begin);
    y[item] = static_cast<T>((s.average ? mean : 0.0f) + (s.maximum ? best : 0.0f));
    if (s.maximum) winner[item] = static_cast<int32_t>(at);
  }
};

template <class T>
struct PlainRegionPoolGradient {
  RegionShape s;
  Bands bands;
  const T* grad_y;
  const int32_t* winner;
  T* grad_x;

  __device__ void operator()(int64_t item) const {
    const int64_t c = item % s.channels, pixel = item / s.channels;
    const int64_t n = pixel / (s.height * s.width), q = pixel % (s.height * s.width), h = q / s.width;
    float sum = 0;
    for (uint32_t k = 0; k < bands.count; ++k) {
      if (h < bands.begin[k] || h >= bands.end[k]) continue;
      const int64_t out = (k * s.batch + n) * s.channels + c;
      const float grad = static_cast<float>(grad_y[out]);
      if (s.average) sum += grad / static_cast<float>((bands.end[k] - bands.begin[k]) * s.width);
      if (s.maximum && winner[out] == q) sum += grad;
    }
    grad_x[item] = static_cast<T>(sum);
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
