// exp in single precision, written so that a loop over it vectorises (the library's does not).
#pragma once

#include <cstdint>
#include <cstring>

namespace saccade {

// exp(x) = 2^n exp(r) with n = round(x / ln 2) and |r| <= ln(2) / 2; the Taylor polynomial of degree 7 leaves
// a relative error below 1e-8 there. Within 2 ulp of exp for x in [-87, 88], clamped to the ends outside; NaN
// stays.
inline float fast_exp(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves an integer in the low bits
  const float shifted = x * 1.44269504088896341f + kRound;
  const float n = shifted - kRound;
  float r = x - n * 0.693145751953125f;  // ln 2 in two parts: n times the first is exact
  r -= n * 1.42860682030941723e-6f;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  int32_t word;
  std::memcpy(&word, &shifted, sizeof word);
  const int32_t power = (word - 0x4B400000 + 127) << 23;  // 2^n
  float scale;
  std::memcpy(&scale, &power, sizeof scale);
  return p * scale;
}

}  // namespace saccade
