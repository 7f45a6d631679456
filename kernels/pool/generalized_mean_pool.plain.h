// The plain kernels of generalized_mean_pool.h: a thread for each mean, and in the gradient one more for p.
#pragma once

#include "kernels/common/each.h"

namespace saccade {
inline namespace SACCADE_TARGET {

template <class T>
struct PlainGeneralizedMean {
  int64_t positions, channels;
  float epsilon;
  const T *x, *p;
  T* y;

  __device__ void operator()(int64_t item) const {
    const T* image = x + item / channels * positions * channels + item % channels;
    const float power = static_cast<float>(*p);
    float sum = 0;
    for (int64_t q = 0; q < positions; ++q) {
      const float value = static_cast<float>(image[q * channels]);
      sum += powf(value >= epsilon ? value : epsilon, power);
    }
    y[item] = static_cast<T>(powf(sum / static_cast<float>(positions), 1.0f / power));
  }
};

template <class T>
struct PlainGeneralizedMeanGradient {
  int64_t positions, channels;
  float epsilon;
  const T *grad_y, *x, *p, *y;
  T* grad_x;      // or null
  float* slopes;  // [N, C]: each mean's part of grad_p

  __device__ void operator()(int64_t item) const {
    const int64_t image = item / channels * positions * channels + item % channels;
    const float count = static_cast<float>(positions), power = static_cast<float>(*p);
    const float grad = static_cast<float>(grad_y[item]), mean = static_cast<float>(y[item]);
    float sum = 0;
    for (int64_t at = image; at < image + positions * channels; at += channels) {
      const float value = static_cast<float>(x[at]);
      const bool passes = value >= epsilon;
      const float u = (passes ? value : epsilon) / mean;
      if (grad_x) grad_x[at] = static_cast<T>(passes ? grad / count * powf(u, power - 1.0f) : 0.0f);
      sum += powf(u, power) * logf(u);
    }
    slopes[item] = grad * mean / power * (sum / count);
  }
};

template <class T>
struct PlainGeneralizedMeanPower {
  int64_t count;
  const float* slopes;
  T* grad_p;

  __device__ void operator()(int64_t) const {
    float sum = 0;
    for (int64_t k = 0; k < count; ++k) sum += slopes[k];
    *grad_p = static_cast<T>(sum);
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
