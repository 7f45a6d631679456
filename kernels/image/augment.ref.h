#pragma once

#include "kernels/image/augment.h"

namespace saccade {

template <>
template <class T>
void Augment<Device::reference>::forward(Context&, int64_t count, int64_t height, int64_t width,
                                         const uint8_t* images, const Augmentation* table,
                                         const Normalization& normalization, T* y) {
  for (int64_t n = 0; n < count; ++n) {
    const Augmentation& a = table[n];
    for (int64_t row = 0; row < height; ++row)
      for (int64_t column = 0; column < width; ++column) {
        T* out = y + ((n * height + row) * width + column) * 3;
        const int64_t in_box_y = row - a.erase_y, in_box_x = column - a.erase_x;
        if (in_box_y >= 0 && in_box_y < a.erase_height && in_box_x >= 0 && in_box_x < a.erase_width) {
          for (int c = 0; c < 3; ++c) out[c] = T(a.fill[c]);
          continue;
        }
        const int64_t source_y = row + a.shift_y, shifted_x = column + a.shift_x;
        const bool inside = source_y >= 0 && source_y < height && shifted_x >= 0 && shifted_x < width;
        const int64_t source_x = a.flip ? width - 1 - shifted_x : shifted_x;
        T pixel[3];
        for (int c = 0; c < 3; ++c)
          pixel[c] = inside ? T(images[((a.image * height + source_y) * width + source_x) * 3 + c]) : T(0);

        const T brightness(a.brightness), contrast(a.contrast), saturation(a.saturation),
            gray_mean(a.gray_mean);
        for (T& v : pixel) v = brightness * v;
        for (T& v : pixel) v = contrast * v + (T(1) - contrast) * brightness * gray_mean;
        const T gray = T(0.299) * pixel[0] + T(0.587) * pixel[1] + T(0.114) * pixel[2];
        for (T& v : pixel) v = saturation * v + (T(1) - saturation) * gray;

        for (int c = 0; c < 3; ++c) {
          const T v = pixel[c] < T(0) ? T(0) : pixel[c] > T(255) ? T(255) : pixel[c];
          out[c] = (v / T(255) - T(normalization.mean[c])) / T(normalization.std[c]);
        }
      }
  }
}

}  // namespace saccade
