// IEEE binary16 as files have it. It is widened to f32 on reading and exists nowhere else.
#pragma once

#include <bit>
#include <cstdint>

namespace saccade {

inline float float_of_half(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t magnitude = half & 0x7fffu;
  if (magnitude >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  // Normal or not, the bits shifted into place are the value times 2^-112, and that product is exact.
  return std::bit_cast<float>(sign |
                              std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude << 13) * 0x1p112f));
}

}  // namespace saccade
