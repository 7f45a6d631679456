// Mean over a three-dimensional bin that is cropped from a feature volume, one bin for each sample.
//
//   output[n, c] = mean of features[n, t0 + t, h0 + h, w0 + w, c] over t < bin_t, h < bin_h, w < bin_w,
//   where (t0, h0, w0) = corner[n]
//
// Source: the glimpse of "A3D", recurrent 3D attention: crop La x Ha x Wa of the global map, then average.
// The corner has no gradient (a policy chose it), the content has one.
//
// Shapes: features [batch, time, height, width, channels], corner i32 [batch, 3], output [batch, channels].
// Outputs are overwritten, unless backward is told to accumulate; nothing may alias.
// A bin that is empty or larger than the volume is an Error. A corner whose bin leaves the volume is an Error
// on the CPU. On a GPU the host cannot look without waiting: nothing outside of the volume is touched and the
// results of that sample are NaN, so the fault shows at once.
#pragma once

#include <cstdint>

#include "kernels/common/bf16.h"
#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

struct BinPoolShape {
  int64_t batch, time, height, width, channels;
  int64_t bin_t, bin_h, bin_w;

  int64_t cells() const { return time * height * width; }
  int64_t bin_cells() const { return bin_t * bin_h * bin_w; }
  bool holds(const int32_t* corner) const {
    return corner[0] >= 0 && corner[0] <= time - bin_t && corner[1] >= 0 && corner[1] <= height - bin_h &&
           corner[2] >= 0 && corner[2] <= width - bin_w;
  }
  void check_sizes() const {
    check(batch >= 0 && channels >= 0, "bin_pool: a negative size");
    check(bin_t >= 1 && bin_h >= 1 && bin_w >= 1 && bin_t <= time && bin_h <= height && bin_w <= width,
          "bin_pool: a bin of ", bin_t, "x", bin_h, "x", bin_w, " does not fit in a volume of ", time, "x",
          height, "x", width);
  }
  void check_corner(int64_t sample, const int32_t* corner) const {
    check(holds(corner), "bin_pool: the bin of sample ", sample, " starts at (", corner[0], ", ", corner[1],
          ", ", corner[2], ") and leaves the volume");
  }
};

template <Device D>
struct BinPool {
  template <class T>
  static void forward(Context&, const BinPoolShape&, const T* features, const int32_t* corner, T* output);

  // grad_features = grad_output / bin_cells() inside the bin, 0 outside: written once, as a gather.
  // With `accumulate` the gradient is added to the cells of the bin and all others are left alone,
  // for glimpses that share a volume.
  template <class T>
  static void backward(Context&, const BinPoolShape&, const T* grad_output, const int32_t* corner,
                       bool accumulate, T* grad_features);

  static Floor forward_floor(const BinPoolShape& s, int element_bytes) {
    const double sums = static_cast<double>(s.batch) * s.channels;
    return {element_bytes * sums * (s.bin_cells() + 1) + 12.0 * s.batch, sums * s.bin_cells()};
  }
  static Floor backward_floor(const BinPoolShape& s, bool accumulate, int element_bytes) {
    const double sums = static_cast<double>(s.batch) * s.channels;
    const double moved = accumulate ? 2.0 * s.bin_cells() : 1.0 * s.cells();
    return {element_bytes * sums * (moved + 1) + 12.0 * s.batch, sums * (accumulate ? s.bin_cells() + 1 : 1)};
  }
};

}  // namespace saccade
