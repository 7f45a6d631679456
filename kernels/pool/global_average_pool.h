// y[n,c] = mean over the P positions of x[n,p,c].   x [N,P,C] (an image is P = H*W), y [N,C].
// Outputs are overwritten. P >= 1. Floor: s (N P C + N C) bytes.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct GlobalAveragePool {
  template <class T>
  static void forward(Context&, int64_t batch, int64_t positions, int64_t channels, const T* x, T* y);
  template <class T>
  static void backward(Context&, int64_t batch, int64_t positions, int64_t channels, const T* grad_y,
                       T* grad_x);

  static Floor floor(int64_t batch, int64_t positions, int64_t channels, int element_bytes) {
    const double in = static_cast<double>(batch * positions * channels);
    return {element_bytes * (in + static_cast<double>(batch * channels)), in};
  }
};

}  // namespace saccade
