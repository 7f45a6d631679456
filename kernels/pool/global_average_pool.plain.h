// The plain kernel of global_average_pool.h, forward only: a thread for each output.
#pragma once

#include "kernels/common/each.h"

namespace saccade {
inline namespace SACCADE_TARGET {

template <class T>
struct PlainGlobalAveragePool {
  int64_t positions, channels;
  const T* x;
  T* y;

  __device__ void operator()(int64_t item) const {
    const T* image = x + item / channels * positions * channels + item % channels;
    float sum = 0;
    for (int64_t q = 0; q < positions; ++q) sum += static_cast<float>(image[q * channels]);
    y[item] = static_cast<T>(sum / static_cast<float>(positions));
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
