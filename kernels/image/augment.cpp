#include "kernels/image/augment.h"

#include <algorithm>

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"

namespace saccade {
namespace {

// The jitter and the normalization of one sample. Without jitter a table holds the 256 values of a channel.
struct Colors {
  bool jittered;
  float gain, offset, saturation, rest;  // p -> gain p + offset, then saturation p + rest gray(p)
  float scale[3], shift[3];              // normalization of a value in [0, 255]
  float unjittered[3][256];

  explicit Colors(const Normalization& normalization) {
    for (int c = 0; c < 3; ++c) {
      scale[c] = 1 / (255 * normalization.std[c]);
      shift[c] = -normalization.mean[c] / normalization.std[c];
      for (int v = 0; v < 256; ++v)
        unjittered[c][v] = (static_cast<float>(v) / 255 - normalization.mean[c]) / normalization.std[c];
    }
  }

  void set(const Augmentation& a) {
    jittered = a.brightness != 1 || a.contrast != 1 || a.saturation != 1;
    gain = a.contrast * a.brightness;
    offset = (1 - a.contrast) * a.brightness * a.gray_mean;
    saturation = a.saturation;
    rest = 1 - a.saturation;
  }

  template <class T>
  void map(const uint8_t* from, T* to) const {
    if (!jittered) {
      for (int c = 0; c < 3; ++c) to[c] = unjittered[c][from[c]];
      return;
    }
    float pixel[3];
    for (int c = 0; c < 3; ++c) pixel[c] = gain * from[c] + offset;
    const float gray = rest * (0.299f * pixel[0] + 0.587f * pixel[1] + 0.114f * pixel[2]);
    for (int c = 0; c < 3; ++c) {
      const float v = std::min(255.0f, std::max(0.0f, saturation * pixel[c] + gray));
      to[c] = v * scale[c] + shift[c];
    }
  }
};

template <class T>
void fill_row(int64_t pixels, const float* value, T* to) {
  for (int64_t i = 0; i < pixels; ++i)
    for (int c = 0; c < 3; ++c) to[i * 3 + c] = value[c];
}

// Computes one row of the output from one row of the picture (null: the row lies in the padding).
template <class T>
void augment_row(const Augmentation& a, const Colors& colors, int64_t width, const uint8_t* from, T* to) {
  constexpr uint8_t black[3] = {0, 0, 0};
  float padding[3];
  colors.map(black, padding);
  // Columns [begin, end) of the output show the picture, the others padding.
  const int64_t begin = from ? std::clamp<int64_t>(-int64_t{a.shift_x}, 0, width) : width;
  const int64_t end = from ? std::clamp<int64_t>(width - int64_t{a.shift_x}, begin, width) : width;
  fill_row(begin, padding, to);
  if (begin < end) {
    const int64_t first = begin + a.shift_x;
    const int64_t step = a.flip ? -3 : 3;
    const uint8_t* pixel = from + (a.flip ? width - 1 - first : first) * 3;
    for (int64_t x = begin; x < end; ++x, pixel += step) colors.map(pixel, to + x * 3);
  }
  fill_row(width - end, padding, to + end * 3);
}

}  // namespace

template <>
template <class T>
void Augment<Device::cpu>::forward(Context& context, int64_t count, int64_t height, int64_t width,
                                   const uint8_t* images, const Augmentation* table,
                                   const Normalization& normalization, T* y) {
  const int64_t picture = height * width * 3;
  parallel_for(context, count, 1, [&](int64_t first, int64_t last) {
    Colors colors(normalization);
    for (int64_t n = first; n < last; ++n) {
      const Augmentation& a = table[n];
      colors.set(a);
      for (int64_t row = 0; row < height; ++row) {
        const int64_t source = row + a.shift_y;
        const bool inside = source >= 0 && source < height;
        augment_row(a, colors, width, inside ? images + a.image * picture + source * width * 3 : nullptr,
                    y + n * picture + row * width * 3);
      }
      const int64_t top = std::clamp<int64_t>(a.erase_y, 0, height),
                    left = std::clamp<int64_t>(a.erase_x, 0, width);
      const int64_t bottom = std::clamp<int64_t>(int64_t{a.erase_y} + a.erase_height, top, height);
      const int64_t right = std::clamp<int64_t>(int64_t{a.erase_x} + a.erase_width, left, width);
      for (int64_t row = top; row < bottom; ++row)
        fill_row(right - left, a.fill, y + n * picture + (row * width + left) * 3);
    }
  });
}
template void Augment<Device::cpu>::forward(Context&, int64_t, int64_t, int64_t, const uint8_t*,
                                            const Augmentation*, const Normalization&, float*);
template void Augment<Device::cpu>::forward(Context&, int64_t, int64_t, int64_t, const uint8_t*,
                                            const Augmentation*, const Normalization&, bf16*);

}  // namespace saccade
