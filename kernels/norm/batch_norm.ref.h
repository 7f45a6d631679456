#pragma once

#include <cmath>

#include "kernels/norm/batch_norm.h"

namespace saccade {

template <>
template <class T>
void BatchNorm<Device::reference>::invert(Context&, int64_t channels, const T* var, double eps, T* invstd) {
  using std::sqrt;
  for (int64_t c = 0; c < channels; ++c) invstd[c] = T(1) / sqrt(var[c] + T(eps));
}

template <>
template <class T>
void BatchNorm<Device::reference>::statistics(Context& context, int64_t rows, int64_t channels, const T* x,
                                              double eps, double momentum, Accumulator<T>* mean,
                                              Accumulator<T>* invstd, Accumulator<T>* running_mean,
                                              Accumulator<T>* running_var) {
  const T count(static_cast<double>(rows));
  for (int64_t c = 0; c < channels; ++c) {
    T sum(0), squares(0);
    for (int64_t r = 0; r < rows; ++r) sum += x[r * channels + c];
    mean[c] = rows > 0 ? sum / count : T(0);
    for (int64_t r = 0; r < rows; ++r) {
      const T difference = x[r * channels + c] - mean[c];
      squares += difference * difference;
    }
    const T var = rows > 0 ? squares / count : T(0);
    invert(context, 1, &var, eps, invstd + c);
    if (!running_mean || rows == 0) continue;
    const T unbiased = squares / T(static_cast<double>(rows - 1));
    running_mean[c] = T(1 - momentum) * running_mean[c] + T(momentum) * mean[c];
    running_var[c] = T(1 - momentum) * running_var[c] + T(momentum) * unbiased;
  }
}

template <>
template <class T>
void BatchNorm<Device::reference>::apply(Context&, int64_t rows, int64_t channels, const T* x,
                                         const Accumulator<T>* mean, const Accumulator<T>* invstd,
                                         const Accumulator<T>* gamma, const Accumulator<T>* beta,
                                         const T* residual, bool relu, T* y) {
  for (int64_t i = 0; i < rows * channels; ++i) {
    const int64_t c = i % channels;
    T z = gamma[c] * invstd[c] * (x[i] - mean[c]);
    if (beta) z += beta[c];
    if (residual) z += residual[i];
    y[i] = relu && !(z > T(0)) ? T(0) : z;
  }
}

template <>
template <class T>
void BatchNorm<Device::reference>::reduce(Context& context, int64_t rows, int64_t channels, const T* grad_y,
                                          const T* x, const T* y, const Accumulator<T>* mean,
                                          const Accumulator<T>* invstd, const Accumulator<T>* gamma,
                                          const Accumulator<T>* beta, bool relu, Accumulator<T>* grad_gamma,
                                          Accumulator<T>* grad_beta, T* g) {
  for (int64_t c = 0; c < channels; ++c) {
    grad_gamma[c] = grad_beta[c] = T(0);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t i = r * channels + c;
      T let_through(1);
      if (relu && y) let_through = y[i];
      if (relu && !y)
        apply(context, 1, 1, x + i, mean + c, invstd + c, gamma + c, beta ? beta + c : beta,
              static_cast<const T*>(nullptr), true, &let_through);
      const T grad = let_through > T(0) ? grad_y[i] : T(0);
      grad_beta[c] += grad;
      grad_gamma[c] += grad * (x[i] - mean[c]) * invstd[c];
      if (g) g[i] = grad;
    }
  }
}

template <>
template <class T>
void BatchNorm<Device::reference>::propagate(Context& context, int64_t rows, int64_t channels,
                                             const T* grad_y, const T* x, const Accumulator<T>* mean,
                                             const Accumulator<T>* invstd, const Accumulator<T>* gamma,
                                             const Accumulator<T>* beta, bool relu,
                                             const Accumulator<T>* grad_gamma,
                                             const Accumulator<T>* grad_beta, T* grad_x) {
  const T count(static_cast<double>(rows));
  for (int64_t i = 0; i < rows * channels; ++i) {
    const int64_t c = i % channels;
    T let_through(1);
    if (relu)
      apply(context, 1, 1, x + i, mean + c, invstd + c, gamma + c, beta ? beta + c : beta,
            static_cast<const T*>(nullptr), true, &let_through);
    T grad = let_through > T(0) ? grad_y[i] : T(0);
    if (grad_gamma) grad -= grad_beta[c] / count + (x[i] - mean[c]) * invstd[c] * grad_gamma[c] / count;
    grad_x[i] = gamma[c] * invstd[c] * grad;
  }
}

}  // namespace saccade
