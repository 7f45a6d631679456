#pragma once

#include "kernels/attention/group_max.h"

namespace saccade {

template <>
template <class T>
void GroupMax<Device::reference>::forward(Context&, int64_t images, int64_t pixels, int64_t groups,
                                          int64_t channels, const T* features, const uint8_t* keep, T* output,
                                          uint8_t* argmax) {
  check_sizes(images, pixels, groups, channels);
  for (int64_t n = 0; n < images; ++n)
    for (int64_t p = 0; p < pixels; ++p)
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t out = (n * pixels + p) * channels + c;
        output[out] = T(0);
        argmax[out] = kNoGroup;
        for (int64_t g = 0; g < groups; ++g) {
          if (!keep[n * groups + g]) continue;
          const T x = features[((n * pixels + p) * groups + g) * channels + c];
          const bool is_nan = x != x;
          if (argmax[out] == kNoGroup || x > output[out] || is_nan) {
            output[out] = x;
            argmax[out] = static_cast<uint8_t>(g);
          }
        }
      }
}

template <>
template <class T>
void GroupMax<Device::reference>::backward(Context&, int64_t images, int64_t pixels, int64_t groups,
                                           int64_t channels, const T* grad_output, const uint8_t* argmax,
                                           T* grad_features) {
  check_sizes(images, pixels, groups, channels);
  for (int64_t row = 0; row < images * pixels; ++row)
    for (int64_t g = 0; g < groups; ++g)
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t out = row * channels + c;
        grad_features[(row * groups + g) * channels + c] = argmax[out] == g ? grad_output[out] : T(0);
      }
}

}  // namespace saccade
