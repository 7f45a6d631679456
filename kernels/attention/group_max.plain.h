// The plain kernels of group_max.h: a thread for each output, and one for each element of the gradient.
#pragma once

#include "kernels/attention/group_max.h"
#include "kernels/common/each.h"

namespace saccade {
inline namespace SACCADE_TARGET {

template <class T>
struct PlainGroupMax {
  int64_t pixels, groups, channels;
  const T* features;
  const uint8_t* keep;
  T* output;
  uint8_t* argmax;

  __device__ void operator()(int64_t item) const {
    const int64_t row = item / channels, c = item % channels, image = row / pixels;
    float best = 0;
    constexpr uint8_t kNoGroup = GroupMax<kGpu>::kNoGroup;
    uint8_t winner = kNoGroup;
    for (int64_t g = 0; g < groups; ++g) {
      if (!keep[image * groups + g]) continue;
      const float x = static_cast<float>(features[(row * groups + g) * channels + c]);
      if (winner != kNoGroup && !(x > best) && x == x) continue;  // a NaN wins
      best = x;
      winner = static_cast<uint8_t>(g);
    }
    output[item] = static_cast<T>(best);
    argmax[item] = winner;
  }
};

template <class T>
struct PlainGroupMaxGradient {
  int64_t groups, channels;
  const T* grad_output;
  const uint8_t* argmax;
  T* grad_features;

  __device__ void operator()(int64_t item) const {
    const int64_t row = item / channels / groups, g = item / channels % groups,
                  out = row * channels + item % channels;
    grad_features[item] = argmax[out] == g ? grad_output[out] : T(0.0f);
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
