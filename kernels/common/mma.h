// The matrix product of one warp on the tensor cores, D [16,8] = A [16,16] B [16,8] + C
// in bf16 with sums in f32, and the load that brings its operands from shared memory.
// On simt both are computed from the definition.
//
// A warp holds each matrix in pieces. Lane l = 4 g + t holds
//   of A (a[0..3]): rows g and g + 8, columns 2t, 2t + 1 and 2t + 8, 2t + 9, as the pairs
//                   that begin at (g, 2t), (g + 8, 2t), (g, 2t + 8), (g + 8, 2t + 8);
//   of B (b[0..1]): column g, rows 2t, 2t + 1 and 2t + 8, 2t + 9;
//   of C and D:     (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1).
// Source: the PTX manual, "Matrix fragments for mma.m16n8k16" and "ldmatrix".
#pragma once

#include "kernels/common/bf16.h"
#include "kernels/common/launch.h"

namespace saccade {
inline namespace SACCADE_TARGET {

#ifdef SACCADE_SIMT_TARGET

namespace mma_detail {
// The values of all lanes in one exchange, as a copy: the next exchange overwrites them.
struct Lanes {
  uint64_t value[32];
  explicit Lanes(uint64_t mine) {
    const simt::Exchanged exchanged = simt::exchange(kAllLanes, mine);
    if (exchanged.lanes != kAllLanes) simt::fail("a matrix instruction without all lanes of its warp");
    std::memcpy(value, exchanged.values, sizeof value);
  }
};
inline uint64_t joined(unsigned low, unsigned high) {
  return low | static_cast<uint64_t>(high) << 32;
}
// Half `half` of a pair of bf16.
inline float element(unsigned pair, unsigned half) {
  bf16 value;
  value.bits = static_cast<uint16_t>(pair >> (16 * half));
  return static_cast<float>(value);
}
}  // namespace mma_detail

// d += A B
inline void mma_m16n8k16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  using namespace mma_detail;
  const Lanes upper(joined(a[0], a[2])), lower(joined(a[1], a[3])), right(joined(b[0], b[1]));
  const unsigned g = simt::lane() / 4, t = simt::lane() % 4;
  for (unsigned i = 0; i < 4; ++i) {  // element (g + 8 (i / 2), 2t + i % 2)
    const uint64_t* rows = i / 2 == 0 ? upper.value : lower.value;
    const unsigned column = 2 * t + i % 2;
    // Element k of a row lies in lane k % 8 / 2 of the row's four, from k = 8 on in the high word.
    for (unsigned k = 0; k < 16; ++k) {
      const auto pair_of = [&](uint64_t both) { return static_cast<unsigned>(both >> (k / 8 * 32)); };
      d[i] += element(pair_of(rows[4 * g + k % 8 / 2]), k % 2) *
              element(pair_of(right.value[4 * column + k % 8 / 2]), k % 2);
    }
  }
}

// Loads four 8 x 8 matrices of bf16 from shared memory: lane 8 * matrix + row gives the address
// of that row's 16 bytes. Lane 4 g + t receives the pair (g, 2t), (g, 2t + 1) of each matrix,
// or of its transpose if `transposed`.
template <bool transposed>
void load_matrices(unsigned (&out)[4], const bf16* row) {
  const uint4 mine = simt::hinted_load(reinterpret_cast<const uint4*>(row));
  const mma_detail::Lanes first(mma_detail::joined(mine.x, mine.y)), last(mma_detail::joined(mine.z, mine.w));
  const unsigned g = simt::lane() / 4, t = simt::lane() % 4;
  for (unsigned matrix = 0; matrix < 4; ++matrix) {
    const auto at = [&](unsigned i, unsigned j) {  // the bits of an element
      const uint64_t four = (j < 4 ? first : last).value[8 * matrix + i];
      return static_cast<unsigned>(four >> (16 * (j % 4))) & 0xffffu;
    };
    out[matrix] = transposed ? at(2 * t, g) | at(2 * t + 1, g) << 16 : at(g, 2 * t) | at(g, 2 * t + 1) << 16;
  }
}

#else

__device__ __forceinline__ void mma_m16n8k16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();  // bf16 needs sm_80; check_element() has refused it
#endif
}

template <bool transposed>
__device__ __forceinline__ void load_matrices(unsigned (&out)[4], const bf16* row) {
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if constexpr (transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(address)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(address)
                 : "memory");
}

#endif

}  // namespace SACCADE_TARGET
}  // namespace saccade
