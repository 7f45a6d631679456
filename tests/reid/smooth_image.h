// A picture that a lossy format keeps nearly as it is.
#pragma once

#include "reid/data/image.h"

namespace saccade {

// Red rises to the right and green downward; `texture` > 0 lays a pattern of so many levels over blue.
inline Image smooth_image(int height, int width, int texture = 0) {
  Image image(height, width);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      image.at(y, x)[0] = static_cast<uint8_t>(x * 200 / width + 20);
      image.at(y, x)[1] = static_cast<uint8_t>(y * 200 / height + 20);
      image.at(y, x)[2] = static_cast<uint8_t>(90 + (texture > 0 ? (x * 7 + y * 5) % texture : 0));
    }
  return image;
}

}  // namespace saccade
