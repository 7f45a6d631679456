// Replays the inputs that the fuzzers of the weight readers kept.
#include "tests/fuzz/replay.h"
#include "tests/fuzz/weight_entries.h"

using namespace saccade;

TEST_CASE("the safetensors fuzzing corpus") {
  const auto [read, refused] = replay("safetensors", enter_safetensors);
  CHECK(read >= 3);
  CHECK(refused >= 10);
}

TEST_CASE("the pth fuzzing corpus") {
  const auto [read, refused] = replay("pth", enter_pth);
  CHECK(read >= 3);
  CHECK(refused >= 10);
}

TEST_CASE("the fuzzing corpus of the format before PyTorch 1.6") {
  const auto [read, refused] = replay("legacy", enter_legacy);
  CHECK(read >= 3);
  CHECK(refused >= 3);
}
