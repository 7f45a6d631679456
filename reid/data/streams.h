// Which random numbers the data side draws: each purpose has streams of its own, so that none repeats another
// and none depends on how many were drawn before.
#pragma once

#include <cstdint>

namespace saccade {

enum class DataStream : uint64_t { sampler = 1, augmentation = 2 };

// The number of a Philox stream. epoch < 2^24, position < 2^32.
constexpr uint64_t data_stream(DataStream purpose, int64_t epoch, int64_t position) {
  return static_cast<uint64_t>(purpose) << 56 | (static_cast<uint64_t>(epoch) & 0xffffff) << 32 |
         (static_cast<uint64_t>(position) & 0xffffffff);
}

}  // namespace saccade
