// How a training picture is varied at random; kernels/image/augment.h does that to its pixels.
#pragma once

#include <cstdint>

#include "kernels/image/augment.h"

namespace saccade {

// The settings of that. Default-constructed, a picture is not varied at all, as in evaluation.
struct AugmentConfig {
  float flip = 0;  // probability of a mirror image
  int pad = 0;     // pixels of black on each side before a random crop back to the size

  // Random erasing (Zhong et al., "Random erasing data augmentation", AAAI 2020): with probability `erase` a
  // box is filled. It covers a fraction of the picture from erase_area_min to erase_area_max and has a height
  // / width from erase_aspect to 1 / erase_aspect. After 100 boxes that do not fit, none is filled.
  float erase = 0;
  float erase_area_min = 0.02f, erase_area_max = 0.4f;
  float erase_aspect = 0.3f;
  float erase_fill[3] = {0, 0, 0};  // after normalization, where 0 is the mean of the data set

  float brightness = 0, contrast = 0, saturation = 0;  // factors are drawn from [max(0, 1 - v), 1 + v]

  static AugmentConfig none() { return {}; }
  static AugmentConfig strong_baseline();  // flip 0.5, pad 10, erase 0.5
};

// The random choices for one sample of height x width pixels: a pure function of its arguments. `position` is
// the sample's place in the epoch. The fields `image` and `gray_mean` are left for the caller.
Augmentation draw_augmentation(const AugmentConfig& config, int64_t height, int64_t width, uint64_t seed,
                               int64_t epoch, int64_t position);

}  // namespace saccade
