// y[i] = x[i] / (1 - p) where u_i >= p, else 0; u_i is uniform number i of the stream `stream` of `state`
// (Philox). x, y [count]; y may alias x. state: i64 [2] on the device, {seed, step}. 0 <= p < 1.
// The mask is a function of (seed, step, stream, i) alone: the backward pass draws it again (grad_x = dropout
// of grad_y), and nothing is stored.
// Source: Srivastava et al., "Dropout", 2014, scaled at training time. Floor: 2 s E bytes.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct Dropout {
  template <class T>
  static void apply(Context&, int64_t count, double p, const int64_t* state, uint32_t stream, const T* x,
                    T* y);

  static Floor floor(int64_t count, int element_bytes) {
    return {2.0 * element_bytes * static_cast<double>(count), static_cast<double>(count)};
  }
};

}  // namespace saccade
