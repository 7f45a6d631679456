// Joins matrices with the same number of rows side by side, and cuts one apart: the registry's concat,
// split and slice_columns. A part without data has columns all the same: join() writes zeros there,
// cut() leaves them out. No aliasing.
// Floor: each byte of the parts with data read and written once; join() writes the zeros, too.
#pragma once

#include <vector>

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

// A part [rows, width], dense; data may be null.
template <class T>
struct Columns {
  T* data;
  int64_t width;
};

template <Device D>
struct CopyRows {
  // y [rows, sum of the widths] = the parts from left to right, eight parts in a launch.
  template <class T>
  static void join(Context&, int64_t rows, const std::vector<Columns<const T>>& parts, T* y);

  // The reverse: x [rows, sum of the widths] into the parts.
  template <class T>
  static void cut(Context&, int64_t rows, const T* x, const std::vector<Columns<T>>& parts);

  static Floor floor(int64_t rows, int64_t width, int element_bytes) {
    return {2.0 * element_bytes * static_cast<double>(rows * width), 0};
  }
};

// The width of all parts together.
template <class T>
int64_t total_width(const std::vector<Columns<T>>& parts) {
  int64_t width = 0;
  for (const Columns<T>& part : parts) width += part.width;
  return width;
}

}  // namespace saccade
