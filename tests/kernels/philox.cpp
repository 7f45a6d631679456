#include "kernels/common/philox.h"

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
