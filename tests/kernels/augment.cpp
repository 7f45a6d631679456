#include "kernels/image/augment.h"

#include <cmath>
#include <vector>

#include "kernels/common/bound.h"
#include "kernels/common/philox.h"
#include "kernels/image/augment.ref.h"
#include "tests/common/catch.h"
#include "tests/kernels/backends.h"

using namespace saccade;

namespace {

constexpr Normalization kPlain = {{0, 0, 0}, {1, 1, 1}};

std::vector<uint8_t> noise(int64_t count, uint64_t seed) {
  std::vector<uint8_t> bytes(static_cast<size_t>(count));
  PhiloxStream random(seed);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.below(256));
  return bytes;
}

Augmentation random_augmentation(PhiloxStream& random, int64_t images, int height, int width) {
  Augmentation a;
  a.image = random.below(static_cast<uint32_t>(images));
  a.flip = static_cast<int32_t>(random.below(2));
  // A shift may move the picture out of sight entirely.
  a.shift_y = static_cast<int32_t>(random.below(2 * height + 5)) - height - 2;
  a.shift_x = static_cast<int32_t>(random.below(2 * width + 5)) - width - 2;
  if (random.below(2)) {
    a.erase_y = static_cast<int32_t>(random.below(height + 2)) - 1;
    a.erase_x = static_cast<int32_t>(random.below(width + 2)) - 1;
    a.erase_height = static_cast<int32_t>(random.below(height + 2));
    a.erase_width = static_cast<int32_t>(random.below(width + 2));
    for (float& value : a.fill) value = random.uniform(-2, 2);
  }
  if (random.below(2)) {
    a.brightness = random.uniform(0, 2);
    a.contrast = random.uniform(0, 2);
    a.saturation = random.uniform(0, 2);
    a.gray_mean = random.uniform(0, 255);
  }
  return a;
}

}  // namespace

TEST_CASE("augment on the CPU agrees with the oracle") {
  Context context(Device::cpu, 0, 2);
  PhiloxStream random(11);
  for (int trial = 0; trial < 60; ++trial) {
    const int height = 1 + static_cast<int>(random.below(9)), width = 1 + static_cast<int>(random.below(9));
    const int64_t images = 1 + random.below(3), count = random.below(6);
    const std::vector<uint8_t> cache = noise(images * height * width * 3, trial);
    std::vector<Augmentation> table;
    for (int64_t n = 0; n < count; ++n) table.push_back(random_augmentation(random, images, height, width));
    const int64_t values = count * height * width * 3;
    std::vector<float> out(static_cast<size_t>(values), NAN);
    std::vector<Bound> expected(static_cast<size_t>(values));
    const Normalization normalization;
    Augment<Device::cpu>::forward(context, count, height, width, cache.data(), table.data(), normalization,
                                  out.data());
    Augment<Device::reference>::forward(context, count, height, width, cache.data(), table.data(),
                                        normalization, expected.data());
    int64_t wrong = 0;
    for (int64_t i = 0; i < values; ++i) {
      const double tolerance = 8 * 0x1p-24 * expected[i].magnitude + 1e-12;
      wrong += !(std::fabs(out[i] - expected[i].value) <= tolerance);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE(
    "augment agrees with the oracle on every backend, and its plain pictures are the CPU's bit for bit") {
  for_each_backend([]<Device D, class T>(Context& context, const std::string& name) {
    PhiloxStream random(12);
    double worst = 0;
    for (int trial = 0; trial < 16; ++trial) {
      // Sizes whose elements fill whole vectors, and odd ones.
      const int height = 1 + static_cast<int>(random.below(17)),
                width = trial % 2 ? 8 : 1 + static_cast<int>(random.below(9));
      const int64_t images = 3, count = random.below(6);
      const std::vector<uint8_t> cache = noise(images * height * width * 3, trial);
      std::vector<Augmentation> table;
      for (int64_t n = 0; n < count; ++n) table.push_back(random_augmentation(random, images, height, width));
      const auto values = static_cast<size_t>(count * height * width * 3);
      const Normalization normalization;
      DeviceArray<uint8_t> images_there(context, cache);
      DeviceArray<Augmentation> table_there(context, table);
      DeviceArray<T> out(context, values);
      Augment<D>::forward(context, count, height, width, images_there.data(), table_there.data(),
                          normalization, out.data());
      std::vector<double> expected(values);
      std::vector<Bound> bound(values);
      std::vector<float> on_cpu(values);
      Context cpu(Device::cpu, 0, 1);
      Augment<Device::reference>::forward(cpu, count, height, width, cache.data(), table.data(),
                                          normalization, expected.data());
      Augment<Device::reference>::forward(cpu, count, height, width, cache.data(), table.data(),
                                          normalization, bound.data());
      Augment<Device::cpu>::forward(cpu, count, height, width, cache.data(), table.data(), normalization,
                                    on_cpu.data());
      const std::vector<T> got = out.host();
      worst = std::max(worst, check_close(name, got, expected, bound, 8));
      const size_t picture = static_cast<size_t>(height) * width * 3;
      for (int64_t n = 0; n < count; ++n) {
        const Augmentation& a = table[static_cast<size_t>(n)];
        if (a.brightness != 1 || a.contrast != 1 || a.saturation != 1) continue;
        int64_t differing = 0;
        for (size_t i = n * picture; i < (n + 1) * picture; ++i)
          differing += static_cast<float>(got[i]) != static_cast<float>(T(on_cpu[i]));
        CHECK(differing == 0);
      }
    }
    WARN(name << ": largest error " << worst << " eps S");
  });
}

TEST_CASE("augment does by hand what its contract says") {
  Context context(Device::cpu, 0, 1);
  // One row of three pixels, red = 10, 20, 30.
  const uint8_t row[9] = {10, 0, 0, 20, 0, 0, 30, 0, 0};
  const auto reds = [&](const Augmentation& a) {
    float out[9];
    Augment<Device::cpu>::forward(context, 1, 1, 3, row, &a, kPlain, out);
    return std::vector<int>{static_cast<int>(std::lround(out[0] * 255)),
                            static_cast<int>(std::lround(out[3] * 255)),
                            static_cast<int>(std::lround(out[6] * 255))};
  };
  Augmentation a;
  CHECK(reds(a) == std::vector<int>{10, 20, 30});
  a.flip = 1;
  CHECK(reds(a) == std::vector<int>{30, 20, 10});
  a.shift_x = 1;  // the flipped picture moves left, padding comes in from the right
  CHECK(reds(a) == std::vector<int>{20, 10, 0});
  a.flip = 0;
  a.shift_x = -1;
  CHECK(reds(a) == std::vector<int>{0, 10, 20});
  a.shift_y = 1;
  CHECK(reds(a) == std::vector<int>{0, 0, 0});
  a.shift_x = a.shift_y = 0;
  a.erase_x = 1;
  a.erase_height = 1;
  a.erase_width = 1;
  a.fill[0] = 7 / 255.0f;
  CHECK(reds(a) == std::vector<int>{10, 7, 30});
  a = {};
  a.brightness = 2;
  CHECK(reds(a) == std::vector<int>{20, 40, 60});
  a.brightness = 20;
  CHECK(reds(a) == std::vector<int>{200, 255, 255});
  a.brightness = 1;
  a.contrast = 0.5f;
  a.gray_mean = 6;
  CHECK(reds(a) == std::vector<int>{8, 13, 18});
  a.contrast = 1;
  a.saturation = 0;  // gray = 0.299 red
  CHECK(reds(a) == std::vector<int>{3, 6, 9});
}

TEST_CASE("the default normalization is ImageNet's") {
  Context context(Device::cpu, 0, 1);
  const uint8_t pixel[3] = {255, 0, 128};
  const Augmentation a;
  float out[3];
  Augment<Device::cpu>::forward(context, 1, 1, 1, pixel, &a, Normalization{}, out);
  CHECK(out[0] == Approx((1 - 0.485) / 0.229));
  CHECK(out[1] == Approx(-0.456 / 0.224));
  CHECK(out[2] == Approx((128 / 255.0 - 0.406) / 0.225));
}
