// The plain kernels of the statistics of batch_norm.h, forward only: a thread for each channel, which walks
// twice down its column.
#pragma once

#include "kernels/common/each.h"
#include "kernels/norm/batch_norm.h"

namespace saccade {
inline namespace SACCADE_TARGET {

template <class T>
struct PlainStatistics {
  int64_t rows, channels;
  const T* x;
  float eps, momentum;
  float *mean, *invstd, *running_mean, *running_var;  // the last two: both or none

  __device__ void operator()(int64_t c) const {
    const double count = rows > 0 ? static_cast<double>(rows) : 1.0;
    double sum = 0, squares = 0;  // a long column, added one by one, would lose digits in f32
    for (int64_t row = 0; row < rows; ++row) sum += static_cast<float>(x[row * channels + c]);
    const double average = sum / count;
    for (int64_t row = 0; row < rows; ++row) {
      const double away = static_cast<float>(x[row * channels + c]) - average;
      squares += away * away;
    }
    mean[c] = static_cast<float>(average);
    invstd[c] = static_cast<float>(1.0 / sqrt(squares / count + eps));
    if (!running_mean || rows == 0) return;
    running_mean[c] = (1.0f - momentum) * running_mean[c] + momentum * static_cast<float>(average);
    running_var[c] =
        (1.0f - momentum) * running_var[c] + momentum * static_cast<float>(squares / (count - 1.0));
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
