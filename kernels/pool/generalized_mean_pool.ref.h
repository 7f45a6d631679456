#pragma once

#include <cmath>

#include "kernels/pool/generalized_mean_pool.h"

namespace saccade {

template <>
template <class T>
void GeneralizedMeanPool<Device::reference>::forward(Context&, int64_t batch, int64_t positions,
                                                     int64_t channels, double epsilon, const T* x, const T* p,
                                                     T* y) {
  using std::pow;
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t c = 0; c < channels; ++c) {
      T sum(0);
      for (int64_t q = 0; q < positions; ++q) {
        const T value = x[(n * positions + q) * channels + c];
        sum += pow(value >= T(epsilon) ? value : T(epsilon), *p);
      }
      y[n * channels + c] = pow(sum / T(static_cast<double>(positions)), T(1) / *p);
    }
}

template <>
template <class T>
void GeneralizedMeanPool<Device::reference>::backward(Context&, int64_t batch, int64_t positions,
                                                      int64_t channels, double epsilon, const T* grad_y,
                                                      const T* x, const T* p, const T* y, T* grad_x,
                                                      T* grad_p) {
  using std::log;
  using std::pow;
  const T count(static_cast<double>(positions));
  T total(0);
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t out = n * channels + c;
      T sum(0);
      for (int64_t q = 0; q < positions; ++q) {
        const int64_t in = (n * positions + q) * channels + c;
        const bool clamped = !(x[in] >= T(epsilon));
        const T u = (clamped ? T(epsilon) : x[in]) / y[out];
        if (grad_x) grad_x[in] = clamped ? T(0) : grad_y[out] / count * pow(u, *p - T(1));
        sum += pow(u, *p) * log(u);
      }
      total += grad_y[out] * y[out] / *p * (sum / count);
    }
  if (grad_p) *grad_p = total;
}

}  // namespace saccade
