// A folder of its own for each test, and small pictures to put in it.
#pragma once

#include <cstdint>

#include "kernels/common/philox.h"
#include "reid/data/image.h"
#include "tests/common/folder.h"

namespace saccade {

inline Image noise_image(int height, int width, uint64_t seed) {
  Image image(height, width);
  PhiloxStream random(seed);
  for (uint8_t& value : image.pixels) value = static_cast<uint8_t>(random.below(256));
  return image;
}

}  // namespace saccade
