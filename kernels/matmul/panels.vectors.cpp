#include "kernels/matmul/panels.h"

#include "kernels/common/lanes.h"

namespace saccade::SACCADE_VECTORS {
namespace {

// A tile of kRows rows and a panel's columns keeps its sums in registers: 24 of 32 with AVX-512, 12 of 16 else. With
// fewer rows than 4 there would be too few sums in flight for the latency of an addition, but that is rare.
constexpr int kRows = 6;
#if defined(__AVX512F__)
constexpr int kVectors = 4;
#else
constexpr int kVectors = 2;
#endif
constexpr int64_t kWidth = kVectors * Lanes::kCount;
constexpr int64_t kLine = 16;  // floats of a line of the caches
constexpr int kLines = kWidth > kLine ? kWidth / kLine : 1;

enum class Left { rows, panel };  // how the left side lies: a[i,l], or transposed in a panel

// What a tile fetches of the next panel while it goes down its own: in each row the lines of `share` floats.
struct Ahead {
  const float* from;
  int64_t share;
};

template <Left left, int rows>
inline __attribute__((always_inline)) void multiply_tile(int64_t depth, const float* a, int64_t pitch_a,
                                                         const float* panel, const Ahead& ahead, float* c,
                                                         int64_t pitch_c, bool add) {
  const float* next = ahead.from;
  const int64_t between = ahead.share / kLines;
  Lanes sum[rows][kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[i][v] = Lanes::all(0);
  // What is added to is on its way while the sums run.
  if (add)
    for (int i = 0; i < rows; ++i)
      for (int v = 0; v < kVectors; ++v) __builtin_prefetch(c + i * pitch_c + v * Lanes::kCount, 1);

  for (int64_t l = 0; l < depth; ++l) {
    Lanes row[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) row[v] = Lanes::load(panel + v * Lanes::kCount);
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
      const Lanes factor = Lanes::all(left == Left::panel ? a[i] : a[i * pitch_a]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[i][v] = fma(factor, row[v], sum[i][v]);
    }
    if constexpr (left == Left::rows) {
#pragma GCC unroll 4
      for (int line = 0; line < kLines; ++line) __builtin_prefetch(next + line * between, 0, 2);
      next += ahead.share;
    }
    panel += kWidth;
    a += left == Left::panel ? kWidth : 1;
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      float* to = c + i * pitch_c + v * Lanes::kCount;
      (add ? Lanes::load(to) + sum[i][v] : sum[i][v]).store(to);
    }
}

// A tile whose last columns are not there goes through a whole one.
template <Left left, int rows>
__attribute__((noinline)) void multiply_rows(int64_t columns, int64_t depth, const float* a, int64_t pitch_a,
                                             const float* panel, const Ahead& ahead, float* c,
                                             int64_t pitch_c, bool add) {
  if (columns == kWidth) return multiply_tile<left, rows>(depth, a, pitch_a, panel, ahead, c, pitch_c, add);
  float whole[rows * kWidth];
  if (add)
    for (int i = 0; i < rows; ++i)
      for (int64_t j = 0; j < kWidth; ++j) whole[i * kWidth + j] = j < columns ? c[i * pitch_c + j] : 0;
  multiply_tile<left, rows>(depth, a, pitch_a, panel, ahead, whole, kWidth, add);
  for (int i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) c[i * pitch_c + j] = whole[i * kWidth + j];
}

// All rows in tiles of 6; 7 to 11 rows that are left become two tiles of about the same height.
template <Left left>
void multiply_all(int64_t rows, int64_t columns, int64_t depth, const float* a, int64_t pitch_a,
                  const float* panel, const float* next, float* c, int64_t pitch_c, bool add) {
  const int64_t step = left == Left::panel ? 1 : pitch_a;
  // The first tiles share the next panel, so that memory has something to do all the time.
  const int64_t tiles = (rows + kRows - 1) / kRows, shares = tiles >= 4 ? 4 : tiles >= 2 ? 2 : 1;
  int64_t fetching = next ? shares : 0;
  for (int64_t i = 0; i < rows;) {
    const int64_t remain = rows - i;
    const int64_t now = remain >= 2 * kRows || remain == kRows ? kRows
                        : remain < kRows                       ? remain
                                                               : (remain + 1) / 2;
    const Ahead ahead = fetching > 0
                            ? Ahead{next + (shares - fetching) * depth * (kWidth / shares), kWidth / shares}
                            : Ahead{panel, 0};
    --fetching;
    const float* from = a + i * step;
    float* to = c + i * pitch_c;
    switch (now) {
      case 6:
        multiply_rows<left, 6>(columns, depth, from, pitch_a, panel, ahead, to, pitch_c, add);
        break;
      case 5:
        multiply_rows<left, 5>(columns, depth, from, pitch_a, panel, ahead, to, pitch_c, add);
        break;
      case 4:
        multiply_rows<left, 4>(columns, depth, from, pitch_a, panel, ahead, to, pitch_c, add);
        break;
      case 3:
        multiply_rows<left, 3>(columns, depth, from, pitch_a, panel, ahead, to, pitch_c, add);
        break;
      case 2:
        multiply_rows<left, 2>(columns, depth, from, pitch_a, panel, ahead, to, pitch_c, add);
        break;
      default:
        multiply_rows<left, 1>(columns, depth, from, pitch_a, panel, ahead, to, pitch_c, add);
    }
    i += now;
  }
}

void multiply(int64_t rows, int64_t columns, int64_t depth, const float* a, int64_t pitch_a,
              const float* panel, const float* next, float* c, int64_t pitch_c, bool add) {
  multiply_all<Left::rows>(rows, columns, depth, a, pitch_a, panel, next, c, pitch_c, add);
}

void multiply_transposed(int64_t rows, int64_t columns, int64_t depth, const float* left, const float* panel,
                         float* c, int64_t pitch_c, bool add) {
  multiply_all<Left::panel>(rows, columns, depth, left, kWidth, panel, nullptr, c, pitch_c, add);
}

void pack(int64_t depth, int64_t columns, const float* b, int64_t pitch, float* to, int64_t stride) {
  const int64_t whole = columns / kWidth, rest = columns % kWidth;
  for (int64_t l = 0; l < depth; ++l) {
    const float* from = b + l * pitch;
    float* here = to + l * kWidth;
    for (int64_t panel = 0; panel < whole; ++panel, from += kWidth, here += stride)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        Lanes::load(from + v * Lanes::kCount).store(here + v * Lanes::kCount);
    if (rest > 0)
      for (int64_t j = 0; j < kWidth; ++j) here[j] = j < rest ? from[j] : 0;
  }
}

// In blocks of 16 rows of the panel: their lines stay in L1 while column after column is written.
void pack_transposed(int64_t depth, int64_t columns, const float* b, int64_t pitch, float* panel) {
  constexpr int64_t kBlock = 16;
  for (int64_t l0 = 0; l0 < depth; l0 += kBlock) {
    const int64_t end = l0 + kBlock < depth ? l0 + kBlock : depth;
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t l = l0; l < end; ++l) panel[l * kWidth + j] = b[j * pitch + l];
    for (int64_t j = columns; j < kWidth; ++j)
      for (int64_t l = l0; l < end; ++l) panel[l * kWidth + j] = 0;
  }
}

}  // namespace

extern const Panels panels;
const Panels panels = {kWidth, multiply, multiply_transposed, pack, pack_transposed};

}  // namespace saccade::SACCADE_VECTORS
