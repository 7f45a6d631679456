#include "reid/data/augmentation.h"

#include <algorithm>
#include <cmath>

#include "kernels/common/philox.h"
#include "reid/data/streams.h"

namespace saccade {
namespace {

float jitter_factor(float strength, PhiloxStream& random) {
  return strength > 0 ? random.uniform(std::max(0.0f, 1 - strength), 1 + strength) : 1.0f;
}

void draw_erased_box(const AugmentConfig& config, int64_t height, int64_t width, PhiloxStream& random,
                     Augmentation* a) {
  const float area = static_cast<float>(height * width);
  for (int attempt = 0; attempt < 100; ++attempt) {
    const float target = random.uniform(config.erase_area_min, config.erase_area_max) * area;
    const float aspect = random.uniform(config.erase_aspect, 1 / config.erase_aspect);
    const int64_t box_height = std::lround(std::sqrt(target * aspect));
    const int64_t box_width = std::lround(std::sqrt(target / aspect));
    if (box_height < 1 || box_width < 1 || box_height >= height || box_width >= width) continue;
    a->erase_height = static_cast<int32_t>(box_height);
    a->erase_width = static_cast<int32_t>(box_width);
    a->erase_y = static_cast<int32_t>(random.below(static_cast<uint32_t>(height - box_height + 1)));
    a->erase_x = static_cast<int32_t>(random.below(static_cast<uint32_t>(width - box_width + 1)));
    std::copy(config.erase_fill, config.erase_fill + 3, a->fill);
    return;
  }
}

}  // namespace

AugmentConfig AugmentConfig::strong_baseline() {
  AugmentConfig config;
  config.flip = 0.5f;
  config.pad = 10;
  config.erase = 0.5f;
  return config;
}

Augmentation draw_augmentation(const AugmentConfig& config, int64_t height, int64_t width, uint64_t seed,
                               int64_t epoch, int64_t position) {
  PhiloxStream random(seed, data_stream(DataStream::augmentation, epoch, position));
  Augmentation a;
  a.flip = random.uniform() < config.flip;
  if (config.pad > 0) {
    const uint32_t places = 2 * static_cast<uint32_t>(config.pad) + 1;
    a.shift_y = static_cast<int32_t>(random.below(places)) - config.pad;
    a.shift_x = static_cast<int32_t>(random.below(places)) - config.pad;
  }
  a.brightness = jitter_factor(config.brightness, random);
  a.contrast = jitter_factor(config.contrast, random);
  a.saturation = jitter_factor(config.saturation, random);
  if (random.uniform() < config.erase) draw_erased_box(config, height, width, random, &a);
  return a;
}

}  // namespace saccade
