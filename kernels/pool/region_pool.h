// Pools over bands of whole rows, which may overlap: stripes and pyramids of part-based re-identification.
//
//   y[k,n,c] = average of x[n,h,w,c] over begin_k <= h < end_k and all w   (if `average`)
//            + maximum of the same                                         (if `maximum`)
//
// x [N,H,W,C], y and winner [K,N,C]: the bands come first, so that each is a slice. winner = h * W + w of the
// maximum, the first of equals; it is written only if `maximum`. No aliasing; outputs are overwritten. On
// CUDA the gradient takes up to 56 bands; more are an Error.
// Source: Zheng et al., "Pyramidal person re-identification via multi-loss dynamic training", 2019 (the
// sum of average and maximum).
// Floor: s (E + K N C) bytes (+ 4 K N C for the winners): each row is read once, however many bands hold it.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

struct RowRange {
  int64_t begin, end;
};

struct RegionShape {
  int64_t batch = 0, height = 0, width = 0, channels = 0;
  const RowRange* bands = nullptr;  // host memory; 0 <= begin < end <= height
  int64_t count = 0;                // K
  bool average = true, maximum = true;
};

template <Device D>
struct RegionPool {
  template <class T>
  static void forward(Context&, const RegionShape&, const T* x, T* y, int32_t* winner);
  template <class T>
  static void backward(Context&, const RegionShape&, const T* grad_y, const int32_t* winner, T* grad_x);

  static Floor floor(const RegionShape& shape, int element_bytes) {
    const double in = static_cast<double>(shape.batch * shape.height * shape.width * shape.channels);
    const double out = static_cast<double>(shape.count * shape.batch * shape.channels);
    return {element_bytes * (in + out) + (shape.maximum ? 4 * out : 0), in * (shape.average + shape.maximum)};
  }
};

}  // namespace saccade
