// The first page that a student opens does what it says.
#include <cstdio>
#include <string>

#include "tests/common/catch.h"

TEST_CASE("the first network draws the ring that it learned") {
  FILE* output = popen(SACCADE_BINARY_DIR "/examples/first_network", "r");
  REQUIRE(output != nullptr);
  std::string picture;
  for (int c = std::fgetc(output); c != EOF; c = std::fgetc(output))
    if (c != '\n') picture += static_cast<char>(c);
  REQUIRE(pclose(output) == 0);
  REQUIRE(picture.size() == 32 * 32 * 2);
  int right = 0;
  for (int i = 0; i < 32 * 32; ++i) {
    const double x = 2.0 * (i % 32) / 31 - 1, y = 2.0 * (i / 32) / 31 - 1, r2 = x * x + y * y;
    const bool in_ring = r2 > 0.16 && r2 < 0.64;
    right += (picture[static_cast<size_t>(2 * i)] == '#') == in_ring;
  }
  CHECK(right >= 0.97 * 32 * 32);  // the ring has 0.36 of the points
}
