// The statistics of batch_norm.h, plainly: a thread for each channel, twice down its column.
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
    const float count = rows > 0 ? static_cast<float>(rows) : 1.0f;
    float sum = 0, squares = 0;
    const float first = rows > 0 ? static_cast<float>(x[c]) : 0.0f;  // a mean far from 0 costs no digits
    for (int64_t row = 0; row < rows; ++row) sum += static_cast<float>(x[row * channels + c]) - first;
    const float average = first + sum / count;
    for (int64_t row = 0; row < rows; ++row) {
      const float away = static_cast<float>(x[row * channels + c]) - average;
      squares += away * away;
    }
    mean[c] = average;
    invstd[c] = 1.0f / sqrtf(squares / count + eps);
    if (!running_mean || rows == 0) return;
    running_mean[c] = (1.0f - momentum) * running_mean[c] + momentum * average;
    running_var[c] = (1.0f - momentum) * running_var[c] + momentum * squares / (count - 1.0f);
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
