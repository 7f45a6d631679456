#include "kernels/common/philox.h"

#include <vector>

#include "tests/common/catch.h"

using namespace saccade;

// Known answers of Philox4x32-10 from the authors' Random123 distribution (kat_vectors).
TEST_CASE("philox gives the published words") {
  PhiloxWords zero = philox(0, 0, 0);
  CHECK(zero.word[0] == 0x6627e8d5u);
  CHECK(zero.word[1] == 0xe169c58du);
  CHECK(zero.word[2] == 0xbc57ac4cu);
  CHECK(zero.word[3] == 0x9b00dbd8u);
  PhiloxWords ones = philox(~0ull, ~0ull, ~0ull);
  CHECK(ones.word[0] == 0x408f276du);
  CHECK(ones.word[1] == 0x41c83b0eu);
  CHECK(ones.word[2] == 0xa20bc7c6u);
  CHECK(ones.word[3] == 0x6d5451fdu);
}

TEST_CASE("below stays in range and reaches every value") {
  PhiloxStream random(7);
  int seen[5] = {};
  for (int i = 0; i < 1000; ++i) {
    const uint32_t value = random.below(5);
    REQUIRE(value < 5);
    ++seen[value];
  }
  for (int count : seen) CHECK(count > 150);
}

TEST_CASE("normals in bulk are Box-Muller of the stream's words, whatever the count") {
  constexpr int64_t count = 100003;
  std::vector<float> all(count), some(1001);
  PhiloxStream(5, 7).fill_normal(all.data(), count, 2, 3);
  PhiloxStream(5, 7).fill_normal(some.data(), 1001, 2, 3);
  CHECK(std::equal(some.begin(), some.end(), all.begin()));
  double worst = 0, smallest = 1;
  for (int64_t block = 0; 4 * block + 3 < count; ++block) {
    const PhiloxWords words = philox(5, static_cast<uint64_t>(block), 7);
    for (int h = 0; h < 4; h += 2) {
      const double u = ((words.word[h] >> 8) + 1.0) * 0x1p-24, radius = 3 * std::sqrt(-2 * std::log(u));
      const double angle = 2 * 3.14159265358979323846 * (words.word[h + 1] >> 8) * 0x1p-24;
      const double unit = (radius + 2) * 0x1p-24;
      worst = std::max(
          {worst, std::fabs(2 + radius * std::cos(angle) - static_cast<double>(all[4 * block + h])) / unit,
           std::fabs(2 + radius * std::sin(angle) - static_cast<double>(all[4 * block + h + 1])) / unit});
      smallest = std::min(smallest, u);
    }
  }
  CHECK(smallest < 1e-4);
  CHECK(worst < 4);
  // A stream continues after what was filled.
  PhiloxStream a(5, 7), b(5, 7);
  a.fill_normal(some.data(), 10, 0, 1);
  b.fill_normal(some.data(), 200, 0, 1);
  CHECK(a.next() == b.next());
}
