#pragma once

#include "kernels/pool/global_average_pool.h"

namespace saccade {

template <>
template <class T>
void GlobalAveragePool<Device::reference>::forward(Context&, int64_t batch, int64_t positions,
                                                   int64_t channels, const T* x, T* y) {
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t c = 0; c < channels; ++c) {
      T sum(0);
      for (int64_t p = 0; p < positions; ++p) sum += x[(n * positions + p) * channels + c];
      y[n * channels + c] = sum / T(static_cast<double>(positions));
    }
}

template <>
template <class T>
void GlobalAveragePool<Device::reference>::backward(Context&, int64_t batch, int64_t positions,
                                                    int64_t channels, const T* grad_y, T* grad_x) {
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t p = 0; p < positions; ++p)
      for (int64_t c = 0; c < channels; ++c)
        grad_x[(n * positions + p) * channels + c] =
            grad_y[n * channels + c] / T(static_cast<double>(positions));
}

}  // namespace saccade
