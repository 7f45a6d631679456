#pragma once

#include <cmath>

#include "kernels/norm/batch_norm.h"

namespace saccade {

template <>
template <class T>
void BatchNorm<Device::reference>::statistics(Context&, int64_t rows, int64_t channels, const T* x, double eps,
                                              double momentum, T* mean, T* invstd, T* running_mean, T* running_var) {
  using std::sqrt;
  const T count = T(static_cast<double>(rows));
  for (int64_t c = 0; c < channels; ++c) {
    T sum = T(0), squares = T(0);
    for (int64_t r = 0; r < rows; ++r) sum += x[r * channels + c];
    mean[c] = sum / count;
    for (int64_t r = 0; r < rows; ++r) {
      const T d = x[r * channels + c] - mean[c];
      squares += d * d;
    }
    invstd[c] = T(1) / sqrt(squares / count + T(eps));
    if (!running_mean) continue;
    running_mean[c] = T(1 - momentum) * running_mean[c] + T(momentum) * mean[c];
    running_var[c] = T(1 - momentum) * running_var[c] + T(momentum) * squares / T(rows > 1 ? static_cast<double>(rows - 1) : 1.0);
  }
}

template <>
template <class T>
void BatchNorm<Device::reference>::inverse_deviation(Context&, int64_t channels, const T* running_var, double eps,
                                                     T* invstd) {
  using std::sqrt;
  for (int64_t c = 0; c < channels; ++c) invstd[c] = T(1) / sqrt(running_var[c] + T(eps));
}

template <>
template <class T>
void BatchNorm<Device::reference>::apply(Context&, int64_t rows, int64_t channels, const T* x, const T* mean,
                                         const T* invstd, const T* gamma, const T* beta, const T* residual, bool relu,
                                         T* y) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t i = r * channels + c;
      T value = (x[i] - mean[c]) * invstd[c] * gamma[c];
      if (beta) value += beta[c];
      if (residual) value += residual[i];
      y[i] = relu && value < T(0) ? T(0) : value;
    }
}

template <>
template <class T>
void BatchNorm<Device::reference>::backward(Context&, int64_t rows, int64_t channels, bool batch_statistics, bool relu,
                                            const T* x, const T* y, const T* mean, const T* invstd, const T* gamma,
                                            const T* grad_y, T* grad_x, T* grad_gamma, T* grad_beta,
                                            T* grad_residual) {
  const T count = T(static_cast<double>(rows));
  for (int64_t c = 0; c < channels; ++c) {
    const auto passed = [&](int64_t i) { return relu && !(y[i] > T(0)) ? T(0) : grad_y[i]; };
    const auto normalized = [&](int64_t i) { return (x[i] - mean[c]) * invstd[c]; };
    grad_beta[c] = grad_gamma[c] = T(0);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t i = r * channels + c;
      grad_beta[c] += passed(i);
      grad_gamma[c] += passed(i) * normalized(i);
    }
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t i = r * channels + c;
      const T g = passed(i);
      if (grad_residual) grad_residual[i] = g;
      const T centred = batch_statistics ? g - grad_beta[c] / count - normalized(i) * grad_gamma[c] / count : g;
      grad_x[i] = gamma[c] * invstd[c] * centred;
    }
  }
}

}  // namespace saccade
