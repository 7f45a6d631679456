// y += a * x. The registry's weighted_sum is made of it. x, y [count]; x may alias y.
// Floor: 3 s E bytes, 2 E operations.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct Axpy {
  template <class T>
  static void accumulate(Context&, int64_t count, double a, const T* x, T* y);

  static Floor floor(int64_t count, int element_bytes) {
    return {3.0 * element_bytes * static_cast<double>(count), 2.0 * static_cast<double>(count)};
  }
};

}  // namespace saccade
