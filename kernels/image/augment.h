// From a cache of 8-bit pictures to the input of a network, in one pass: gather, flip, shift (pad and crop),
// color jitter, normalization, erasing. Output (n, y, x) is
//
//   erased box:  fill[c]
//   elsewhere:   (v[c] / 255 - mean[c]) / std[c],   v = clamp(jitter(p), 0, 255)
//
// where p is the RGB pixel of picture `image` at (y + shift_y, x + shift_x), counted from the right if
// `flip`, and black outside of the picture: flip, pad with black, then crop. The jitter is, in this order,
//
//   brightness  b:  p = b p
//   contrast    k:  p = k p + (1 - k) b gray_mean       (gray_mean: of the whole picture as cached)
//   saturation  s:  p = s p + (1 - s) gray(p),          gray(p) = 0.299 r + 0.587 g + 0.114 b
//
// clamped once at the end, so that it is one affine map and needs no second pass (libraries that clamp after
// each step differ where a step saturates).
// Source of erasing: Zhong et al., "Random erasing data augmentation", AAAI 2020.
//
// images u8 [images, height, width, 3] and table [count] are in device memory; y [count, height, width, 3] is
// overwritten. The caller checks that each `image` of the table lies in the cache: no kernel does.
// Floor: reads 3 bytes and writes 3 elements a pixel, about 24 operations with jitter.
#pragma once

#include <cstdint>

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

// What happens to one sample. The default shows the picture as it is.
struct Augmentation {
  int64_t image = 0;  // which picture of the cache
  int32_t flip = 0;
  int32_t shift_y = 0, shift_x = 0;  // corner of the crop minus the padding, in pixels
  int32_t erase_y = 0, erase_x = 0;  // corner of the erased box in the output
  int32_t erase_height = 0, erase_width = 0;
  float brightness = 1, contrast = 1, saturation = 1;
  float gray_mean = 0;        // in [0, 255]; read only if contrast is not 1
  float fill[3] = {0, 0, 0};  // after normalization: 0 is the mean of the data set
};

// The mean and deviation of pictures whose values lie in [0, 1]. The default is ImageNet's.
struct Normalization {
  float mean[3] = {0.485f, 0.456f, 0.406f};
  float std[3] = {0.229f, 0.224f, 0.225f};
};

template <Device D>
struct Augment {
  template <class T>
  static void forward(Context&, int64_t count, int64_t height, int64_t width, const uint8_t* images,
                      const Augmentation* table, const Normalization& normalization, T* y);

  static Floor floor(int64_t count, int64_t height, int64_t width, int element_bytes) {
    const double pixels =
        static_cast<double>(count) * static_cast<double>(height) * static_cast<double>(width);
    return {pixels * 3 * (1 + element_bytes), pixels * 24};
  }
};

}  // namespace saccade
