// What a convolution on the CPU does with its results while they are still in cache.
#pragma once

#include <cstdint>

namespace saccade {

// y = act(y + b + residual), act(z) = relu ? max(z, 0) : z, and the sums of each channel of y for the norm behind it:
// sums[k] += sum of y, sums[K + k] += sum of y^2, in f64. Null: without.
struct Finish {
  const float* b = nullptr;         // [K]
  const float* residual = nullptr;  // like y
  bool relu = false;
  double* sums = nullptr;  // [2,K]
};

}  // namespace saccade
