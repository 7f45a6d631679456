// A vector of f32 as wide as the instructions that this source is compiled for (vectors.h), for `*.vectors.cpp` alone.
// Everything here is in the namespace SACCADE_VECTORS: code for one processor must not be taken for another's.
//
// fma(a, b, c) = a b + c, rounded once. One is the vector of a single element, for what is left of a row.
#pragma once

#include <cstdint>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace saccade::SACCADE_VECTORS {
namespace {

#if defined(__AVX512F__)

struct Lanes {
  static constexpr int64_t kCount = 16;
  __m512 value;
  static Lanes load(const float* from) { return {_mm512_loadu_ps(from)}; }
  static Lanes all(float x) { return {_mm512_set1_ps(x)}; }
  void store(float* to) const { _mm512_storeu_ps(to, value); }
};
inline Lanes operator+(Lanes a, Lanes b) {
  return {_mm512_add_ps(a.value, b.value)};
}
inline Lanes operator-(Lanes a, Lanes b) {
  return {_mm512_sub_ps(a.value, b.value)};
}
inline Lanes operator*(Lanes a, Lanes b) {
  return {_mm512_mul_ps(a.value, b.value)};
}
inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return {_mm512_fmadd_ps(a.value, b.value, c.value)};
}

#elif defined(__AVX2__)

struct Lanes {
  static constexpr int64_t kCount = 8;
  __m256 value;
  static Lanes load(const float* from) { return {_mm256_loadu_ps(from)}; }
  static Lanes all(float x) { return {_mm256_set1_ps(x)}; }
  void store(float* to) const { _mm256_storeu_ps(to, value); }
};
inline Lanes operator+(Lanes a, Lanes b) {
  return {_mm256_add_ps(a.value, b.value)};
}
inline Lanes operator-(Lanes a, Lanes b) {
  return {_mm256_sub_ps(a.value, b.value)};
}
inline Lanes operator*(Lanes a, Lanes b) {
  return {_mm256_mul_ps(a.value, b.value)};
}
inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return {_mm256_fmadd_ps(a.value, b.value, c.value)};
}

#else

// Without fused multiply-add in the instruction set, fma rounds twice.
struct Lanes {
  static constexpr int64_t kCount = 4;
  using Value = float __attribute__((vector_size(16)));
  Value value;
  static Lanes load(const float* from) {
    Lanes lanes;
    __builtin_memcpy(&lanes.value, from, sizeof lanes.value);
    return lanes;
  }
  static Lanes all(float x) { return {Value{x, x, x, x}}; }
  void store(float* to) const { __builtin_memcpy(to, &value, sizeof value); }
};
inline Lanes operator+(Lanes a, Lanes b) {
  return {a.value + b.value};
}
inline Lanes operator-(Lanes a, Lanes b) {
  return {a.value - b.value};
}
inline Lanes operator*(Lanes a, Lanes b) {
  return {a.value * b.value};
}
inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return {a.value * b.value + c.value};
}

#endif

struct One {
  static constexpr int64_t kCount = 1;
  float value;
  static One load(const float* from) { return {*from}; }
  static One all(float x) { return {x}; }
  void store(float* to) const { *to = value; }
};
inline One operator+(One a, One b) {
  return {a.value + b.value};
}
inline One operator-(One a, One b) {
  return {a.value - b.value};
}
inline One operator*(One a, One b) {
  return {a.value * b.value};
}
inline One fma(One a, One b, One c) {
#ifdef __FP_FAST_FMAF
  return {__builtin_fmaf(a.value, b.value, c.value)};
#else
  return {a.value * b.value + c.value};
#endif
}

// Calls body(vector type, first) for the elements [0, count): Lanes as long as they fit, then One.
template <class Body>
inline void for_lanes(int64_t count, Body&& body) {
  int64_t i = 0;
  for (; i + Lanes::kCount <= count; i += Lanes::kCount) body(Lanes(), i);
  for (; i < count; ++i) body(One(), i);
}

}  // namespace
}  // namespace saccade::SACCADE_VECTORS
