// The tiles of tiled_product.h on the tensor cores: the same operands and epilogue, bf16 only. What differs
// is the shape of the work. A block's tile is 128 x 64 and each of its 8 warps computes 32 x 32 of it in
// matrix instructions of 16 x 8 x 16. Slices of the operands stay bf16 in shared memory, in the order in
// which they lie in global memory, so packs go in whole; where k is not the inner axis, ldmatrix transposes
// them on the way to registers. Two buffers take turns, so a slice costs one barrier.
#pragma once

#include "kernels/common/mma.h"
#include "kernels/matmul/tiled_product.h"

namespace saccade {
inline namespace SACCADE_TARGET {

constexpr int kTensorRows = 128, kTensorColumns = 64, kTensorDepth = 32;
constexpr int kWarpSide = 32;  // rows and columns of a warp's part of the tile

// kSize rows of A, or columns of B, by kTensorDepth of k.
template <class Operand, int kSize>
struct Slice {
  static constexpr int kOuter = Operand::along_k ? kSize : kTensorDepth;
  static constexpr int kInner = Operand::along_k ? kTensorDepth : kSize;
  static constexpr int kRow = kInner + 8;  // 16 bytes more: rows then start in different banks
  static constexpr int kPacks = kSize * kTensorDepth / 8 / kTileThreads;  // that a thread brings
  using Packs = Pack<bf16, 8>[kPacks];

  alignas(16) bf16 element[kOuter][kRow];

  // Pack p of this thread is at (outer(p), inner()).
  static __device__ __forceinline__ uint32_t outer(int p) {
    return (threadIdx.x + p * kTileThreads) / (kInner / 8);
  }
  static __device__ __forceinline__ uint32_t inner() { return threadIdx.x % (kInner / 8) * 8; }

  static __device__ __forceinline__ void fetch(Packs& packs, const Operand& operand, uint32_t i, uint32_t l) {
#pragma unroll
    for (int p = 0; p < kPacks; ++p)
      packs[p] = Operand::along_k ? operand(i + outer(p), l + inner()) : operand(i + inner(), l + outer(p));
  }
  __device__ __forceinline__ void put(const Packs& packs) {
#pragma unroll
    for (int p = 0; p < kPacks; ++p) store_shared<16>(&element[outer(p)][inner()], packs[p]);
  }
  // The 16 x 16 elements from (i, l) on, in the pieces of an operand A: 8 x 8 matrices at (0, 0), (8, 0),
  // (0, 8) and (8, 8) of (i, l).
  __device__ __forceinline__ void read(unsigned (&piece)[4], uint32_t i, uint32_t l) const {
    const uint32_t lane = threadIdx.x % kWarp, row = lane % 8, right = lane / 8 % 2 * 8, down = lane / 16 * 8;
    if constexpr (Operand::along_k)
      load_matrices<false>(piece, &element[i + right + row][l + down]);
    else
      load_matrices<true>(piece, &element[l + down + row][i + right]);
  }
};

// Four neighboring columns of C for each lane, from the pairs of two instructions side by side: the even
// lanes give the right pair away and get the left one of their neighbor, the odd ones the other way round.
__device__ __forceinline__ Pack<float, 4> gather_four(float left0, float left1, float right0, float right1) {
  const bool odd = threadIdx.x % 2 != 0;
  const float away0 = odd ? left0 : right0, away1 = odd ? left1 : right1;
  const float got0 = __shfl_xor_sync(kAllLanes, away0, 1), got1 = __shfl_xor_sync(kAllLanes, away1, 1);
  if (odd) return {{got0, got1, right0, right1}};
  return {{left0, left1, got0, got1}};
}

// Tile blockIdx.x of the rows, tile blockIdx.y of the columns, part `part` of k.
template <class A, class B, class Out>
__device__ __forceinline__ void multiply_tensor_tile(uint32_t part, uint32_t k, uint32_t k_a_part, const A& a,
                                                     const B& b, const Out& out) {
  using SliceA = Slice<A, kTensorRows>;
  using SliceB = Slice<B, kTensorColumns>;
  __shared__ SliceA slice_a[2];
  __shared__ SliceB slice_b[2];
  const uint32_t first_row = blockIdx.x * kTensorRows, first_column = blockIdx.y * kTensorColumns;
  const uint32_t begin = part * k_a_part, end = k - begin < k_a_part ? k : begin + k_a_part;
  const uint32_t warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const uint32_t row = warp / 2 * kWarpSide, column = warp % 2 * kWarpSide;

  float sum[2][4][4] = {};  // [16 rows][8 columns][piece]
  typename SliceA::Packs next_a;
  typename SliceB::Packs next_b;
  SliceA::fetch(next_a, a, first_row, begin);
  SliceB::fetch(next_b, b, first_column, begin);
  unsigned turn = 0;
  for (uint32_t l = begin; l < end; l += kTensorDepth, turn ^= 1) {
    slice_a[turn].put(next_a);
    slice_b[turn].put(next_b);
    __syncthreads();  // also: nobody still reads the other buffer when the next turn writes it
    if (l + kTensorDepth < end) {
      SliceA::fetch(next_a, a, first_row, l + kTensorDepth);
      SliceB::fetch(next_b, b, first_column, l + kTensorDepth);
    }
#pragma unroll
    for (uint32_t d = 0; d < kTensorDepth; d += 16) {
      unsigned left[2][4], right[2][4];
#pragma unroll
      for (int i = 0; i < 2; ++i) slice_a[turn].read(left[i], row + 16 * i, d);
#pragma unroll
      for (int j = 0; j < 2; ++j) slice_b[turn].read(right[j], column + 16 * j, d);
#pragma unroll
      for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j)
          mma_m16n8k16(sum[i][j], left[i], {right[j / 2][j % 2], right[j / 2][j % 2 + 2]});
    }
  }
  const uint32_t at_row = first_row + row + lane / 4;
  const uint32_t at_column = first_column + column + lane % 2 * 8 + lane % 4 / 2 * 4;
#pragma unroll
  for (int i = 0; i < 2; ++i)
#pragma unroll
    for (int j = 0; j < 4; j += 2)
#pragma unroll
      for (int half = 0; half < 2; ++half)
        out(part, at_row + 16 * i + 8 * half, at_column + 8 * j,
            gather_four(sum[i][j][2 * half], sum[i][j][2 * half + 1], sum[i][j + 1][2 * half],
                        sum[i][j + 1][2 * half + 1]));
}

// Block (x, y, z): tile (x, y), part z of k.
template <class A, class B, class Rows>
__global__ void __launch_bounds__(kTileThreads)
    tensor_product(uint32_t k, uint32_t k_a_part, A a, B b, Epilogue<bf16, Rows> out) {
  multiply_tensor_tile(blockIdx.z, k, k_a_part, a, b, out);
}

}  // namespace SACCADE_TARGET
}  // namespace saccade
