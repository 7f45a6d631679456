// Copies rows from one matrix to another, by index (gather.h). Nothing is computed, so the kernel moves bytes
// and knows no element type; its accesses are as large as the start and the length of every row allow.
#pragma once

#include "kernels/common/launch.h"
#include "kernels/common/vector.h"

namespace saccade {
inline namespace SACCADE_TARGET {

// Sizes in bytes. Row r of y is row index[r] of x, which has x_rows.
struct RowMove {
  int64_t rows, width;
  const void* x;
  int64_t x_rows;
  void* y;
  const int64_t* index;
};

namespace move_detail {

constexpr int kThreads = 256;
constexpr int kInFlight = 4;  // rows that a thread moves

// A block is a tile of blockDim.x words side by side and kInFlight * blockDim.y rows.
template <int Bytes>
__global__ void __launch_bounds__(kThreads) move_rows(RowMove m) {
  const int64_t column = (static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * Bytes;
  if (column >= m.width) return;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kInFlight * blockDim.y + threadIdx.y;
  Pack<uint8_t, Bytes> words[kInFlight];
#pragma unroll
  for (int u = 0; u < kInFlight; ++u) {
    const int64_t row = first + u * static_cast<int>(blockDim.y);
    if (row >= m.rows) continue;
    const int64_t from = m.index[row];
    if (from >= 0 && from < m.x_rows) {
      words[u] = load<Bytes>(static_cast<const uint8_t*>(m.x) + from * m.width + column);
    } else {
#pragma unroll
      for (int i = 0; i < Bytes; ++i) words[u].lane[i] = 0xff;  // NaN
    }
  }
#pragma unroll
  for (int u = 0; u < kInFlight; ++u) {
    const int64_t row = first + u * static_cast<int>(blockDim.y);
    if (row < m.rows) store<Bytes>(static_cast<uint8_t*>(m.y) + row * m.width + column, words[u]);
  }
}

template <int Bytes>
void run(Context& context, const RowMove& m) {
  const int64_t words = m.width / Bytes;
  unsigned x = 1;
  while (x < kThreads && x < words) x *= 2;
  const unsigned y = kThreads / x;
  const int64_t tiles = (words + x - 1) / x;
  check(tiles < 65536, "rows of ", m.width, " bytes are too long for one launch");
  launch(move_rows<Bytes>,
         {blocks_for(m.rows, kInFlight * static_cast<int64_t>(y)), static_cast<unsigned>(tiles)}, dim3(x, y),
         0, context.stream(), m);
}

}  // namespace move_detail

inline uint64_t bits_of(const void* x, const void* y) {
  return reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(y);
}

// Calls run.operator()<Bytes>() with the largest access that divides all of the numbers whose bitwise or is
// `together`: addresses, row lengths and pitches in bytes.
template <class Run>
void with_largest_word(uint64_t together, Run&& run) {
  if (together % 16 == 0) return run.template operator()<16>();
  if (together % 8 == 0) return run.template operator()<8>();
  if (together % 4 == 0) return run.template operator()<4>();
  if (together % 2 == 0) return run.template operator()<2>();
  run.template operator()<1>();
}

inline void move_rows(Context& context, const RowMove& m) {
  with_largest_word(bits_of(m.x, m.y) | static_cast<uint64_t>(m.width),
                    [&]<int Bytes>() { move_detail::run<Bytes>(context, m); });
}

}  // namespace SACCADE_TARGET
}  // namespace saccade
