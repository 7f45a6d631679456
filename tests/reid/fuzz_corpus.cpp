// The kept inputs of the fuzzers of the config and the attribute reader.
#include "tests/fuzz/reid_entries.h"
#include "tests/fuzz/replay.h"

using namespace saccade;

TEST_CASE("the config fuzzing corpus") {
  const auto [read, refused] = replay("config", enter_config);
  CHECK(read >= 3);
  CHECK(refused >= 10);
}

TEST_CASE("the mat fuzzing corpus") {
  const auto [read, refused] = replay("mat", enter_mat);
  CHECK(read >= 3);
  CHECK(refused >= 10);
}
