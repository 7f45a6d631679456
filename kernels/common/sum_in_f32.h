// Rows of sums, kept in f32 while they grow.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/common/bf16.h"

namespace saccade {

// y[0, count) = sums that start at 0: add(first, n, sum) adds to sum[0, n) what belongs to y[first, first + n).
// Sums of f32 grow in y itself. A y of bf16 would round them at every step: they grow beside it and are rounded once.
template <class T, class Add>
void sum_in_f32(int64_t count, T* y, Add&& add) {
  if constexpr (std::is_same_v<T, float>) {
    std::fill(y, y + count, 0.0f);
    add(int64_t{0}, count, y);
  } else {
    constexpr int64_t kBlock = 512;  // sums that stay in L1
    float sum[kBlock];
    for (int64_t first = 0; first < count; first += kBlock) {
      const int64_t n = std::min(kBlock, count - first);
      std::fill(sum, sum + n, 0.0f);
      add(first, n, sum);
      for (int64_t c = 0; c < n; ++c) y[first + c] = sum[c];
    }
  }
}

}  // namespace saccade
