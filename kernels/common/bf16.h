// bfloat16, the upper half of a float. It only stores: arithmetic converts to float, so that the code shows
// the accumulator type of every sum over bf16.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/common/host_device.h"

namespace saccade {

struct bf16 {
  uint16_t bits = 0;

  bf16() = default;
  SACCADE_HD explicit bf16(float value) : bits(round_to_nearest_even(value)) {}
  // So that a kernel for f32 and bf16 stores its results alike. g++ vectorizes no `omp simd` loop that makes a bf16.
  SACCADE_HD bf16& operator=(float value) {
    bits = round_to_nearest_even(value);
    return *this;
  }
  SACCADE_HD explicit operator float() const {
    const uint32_t word = static_cast<uint32_t>(bits) << 16;
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
  }

 private:
  SACCADE_HD static uint16_t round_to_nearest_even(float value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    uint16_t rounded;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(rounded) : "f"(value));
    return rounded;
#else
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    if ((word & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((word >> 16) | 0x40u);  // quiet NaN
    return static_cast<uint16_t>((word + 0x7fffu + ((word >> 16) & 1u)) >> 16);
#endif
  }
};
static_assert(sizeof(bf16) == 2);

}  // namespace saccade
