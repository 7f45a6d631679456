// Streams through a device's memory, with which its bandwidth is measured: every floor in bytes is divided by
// that bandwidth. `bytes` and the addresses are multiples of 16; nothing overlaps.
#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace saccade {

template <Device D>
struct Bandwidth {
  static constexpr int64_t kSeen = 2048 * 256;  // words that read() leaves, as proof that it has read

  static void copy(Context&, int64_t bytes, const uint32_t* from, uint32_t* to);  // moves 2 * bytes
  static void read(Context&, int64_t bytes, const uint32_t* from, uint32_t* seen);
  static void write(Context&, int64_t bytes, uint32_t* to);  // fills with zeros
};

}  // namespace saccade
