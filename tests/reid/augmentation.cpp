#include "reid/data/augmentation.h"

#include <set>

#include "tests/common/catch.h"

using namespace saccade;

TEST_CASE("augmentation is drawn as configured") {
  AugmentConfig config = AugmentConfig::strong_baseline();
  config.brightness = 0.25f;
  const int draws = 4000, height = 256, width = 128;
  int flips = 0, erased = 0;
  std::set<int> shifts;
  for (int i = 0; i < draws; ++i) {
    const Augmentation a = draw_augmentation(config, height, width, 3, 0, i);
    flips += a.flip;
    shifts.insert(a.shift_x);
    CHECK(std::abs(a.shift_y) <= 10);
    CHECK(a.brightness >= 0.75f);
    CHECK(a.brightness <= 1.25f);
    CHECK(a.contrast == 1.0f);
    if (a.erase_height == 0) continue;
    ++erased;
    const double area = static_cast<double>(a.erase_height) * a.erase_width / (height * width);
    const double aspect = static_cast<double>(a.erase_height) / a.erase_width;
    // Sides are rounded to whole pixels.
    CHECK(area > 0.018);
    CHECK(area < 0.41);
    CHECK(aspect > 0.28);
    CHECK(aspect < 3.6);
    CHECK(a.erase_y + a.erase_height <= height);
    CHECK(a.erase_x + a.erase_width <= width);
  }
  CHECK(std::abs(flips - draws / 2) < 160);  // five standard deviations
  CHECK(std::abs(erased - draws / 2) < 160);
  CHECK(shifts.size() == 21);

  // Epochs and positions differ; nothing at all happens without augmentation.
  const auto shift = [&](int64_t epoch, int64_t position) {
    return draw_augmentation(config, height, width, 3, epoch, position).brightness;
  };
  CHECK(shift(0, 1) != shift(1, 0));
  CHECK(shift(0, 0) != shift(0, 1));
  const Augmentation still = draw_augmentation(AugmentConfig::none(), height, width, 3, 0, 0);
  CHECK((still.flip == 0 && still.shift_y == 0 && still.erase_height == 0 && still.saturation == 1.0f));
}
