// exp, log, tanh and sigmoid for loops over f32. They have no branches, so that compilers vectorize the loop
// (the C library's versions are calls). Errors are relative, measured against f64 over the whole range.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace saccade {

namespace detail {
// x rounded to the nearest whole number, for |x| < 2^22: adding 1.5 * 2^23 leaves no bits after the point.
// g++ vectorizes std::floor under -fno-trapping-math only.
inline float round_to_whole(float x) {
  return (x + 12582912.0f) - 12582912.0f;
}
// x = n ln 2 + r with |r| <= ln 2 / 2; returns r. ln 2 is subtracted in two parts,
// so that no bit of x is lost.
inline float reduce(float x, float* n) {
  *n = round_to_whole(x * 1.44269504f);
  return (x - *n * 0.693359375f) + *n * 2.12194440e-4f;
}
// exp(r) - 1 for |r| <= ln 2 / 2, by the Taylor series: the first term left out is below 2^-27 of the result.
inline float expm1_small(float r) {
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  return r + r * r * p;
}
// x between -limit and limit; NaN for NaN. In integers: where floats are compared, g++ makes a branch on whose sides it
// folds the constants that follow, and the loop stays scalar.
inline float clamp(float x, float limit) {
  const uint32_t bits = std::bit_cast<uint32_t>(x), size = bits & 0x7FFFFFFFu;
  const uint32_t nan = size > 0x7F800000u ? 0xFFFFFFFFu : 0u;
  return std::bit_cast<float>(std::min(size, std::bit_cast<uint32_t>(limit) | nan) | (bits & 0x80000000u));
}
// 2^n for whole -126 <= n <= 127, and some number for a NaN. The low bits of n + 1.5 * 2^23 are n: a conversion to an
// integer is undefined for a NaN, and a check for one would be a branch.
inline float power_of_two(float n) {
  return std::bit_cast<float>((std::bit_cast<uint32_t>(n + 12582912.0f) + 127u) << 23);
}
}  // namespace detail

// which ? a : b, both of which are computed. g++ does not compute both by itself where one might overflow, and a loop
// with a branch stays scalar.
inline float select(bool which, float a, float b) {
  const uint32_t mask = which ? 0xFFFFFFFFu : 0u;
  return std::bit_cast<float>((std::bit_cast<uint32_t>(a) & mask) | (std::bit_cast<uint32_t>(b) & ~mask));
}

// sum_k f(k) for k < dim. 64 running sums keep the rounding of a long sum small and equal for every compiler.
template <class F>
inline float sum_over(int64_t dim, F&& f) {
  constexpr int64_t kLanes = 64;
  float lanes[kLanes] = {};
  int64_t k = 0;
  for (; k + kLanes <= dim; k += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += f(k + lane);
  for (; k < dim; ++k) lanes[k % kLanes] += f(k);
  for (int64_t width = kLanes / 2; width > 0; width /= 2)
    for (int64_t lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  return lanes[0];
}

// The largest of x[0, count), count >= 1. With a NaN in x the result may or may not be NaN.
template <class T>
float largest(const T* x, int64_t count) {
  float best = float(x[0]);
#pragma omp simd reduction(max : best)
  for (int64_t i = 0; i < count; ++i) best = float(x[i]) > best ? float(x[i]) : best;
  // clang starts a vectorized maximum at the lowest finite number, which hides that all of x is -infinity.
  const auto less = [](T a, T b) { return float(a) < float(b); };
  return best > std::numeric_limits<float>::lowest() ? best : float(*std::max_element(x, x + count, less));
}

// exp(x), error 2 ulp; 0 below the denormals, infinity above the range, NaN for NaN.
inline float exp_vector(float x) {
  float n;
  const float r = detail::reduce(detail::clamp(x, 104.0f), &n);
  // Two factors, as 2^n itself may be a denormal or out of range.
  const float half = detail::round_to_whole(n * 0.5f);
  return (1.0f + detail::expm1_small(r)) * detail::power_of_two(half) * detail::power_of_two(n - half);
}

// exp(x) - 1 for x <= 0, error 3 ulp.
inline float expm1_vector(float x) {
  float n;
  const float r = detail::reduce(detail::clamp(x, 60.0f), &n);
  const float scale = detail::power_of_two(n);
  return scale * detail::expm1_small(r) + (scale - 1.0f);
}

// log(x) for normal x > 0, error 2 ulp (absolute 2^-24 near 1).
inline float log_vector(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  // x = 2^n m with m in [sqrt(1/2), sqrt(2)).
  const uint32_t shifted = bits - 0x3F3504F3u;
  const float n = static_cast<float>(static_cast<int32_t>(shifted) >> 23);
  const float m = std::bit_cast<float>((shifted & 0x7FFFFFu) + 0x3F3504F3u);
  // log m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172.
  const float s = (m - 1.0f) / (m + 1.0f), q = s * s;
  float p = 2.0f / 9;
  p = p * q + 2.0f / 7;
  p = p * q + 2.0f / 5;
  p = p * q + 2.0f / 3;
  const float log_m = 2.0f * s + s * q * p;
  return n * 0.693359375f + (log_m - n * 2.12194440e-4f);
}

// tanh(x), error 4 ulp.
inline float tanh_vector(float x) {
  const float e = expm1_vector(-2.0f * std::fabs(x));
  return std::copysign(-e / (2.0f + e), x);
}

// 1 / (1 + exp(-x)).
inline float sigmoid_vector(float x) {
  return 1.0f / (1.0f + exp_vector(-x));
}

}  // namespace saccade
