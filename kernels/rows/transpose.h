// y[c,r] = x[r,c]: the registry's transpose2d, which is its own gradient.
// x [rows, columns], y [columns, rows]. No aliasing. Floor: 2 s E bytes.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct Transpose {
  template <class T>
  static void forward(Context&, int64_t rows, int64_t columns, const T* x, T* y);

  static Floor floor(int64_t count, int element_bytes) {
    return {2.0 * element_bytes * static_cast<double>(count), 0};
  }
};

}  // namespace saccade
