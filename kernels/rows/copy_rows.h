// y[r * y_pitch + c] = x[r * x_pitch + c] for c < width: a block of columns in or out of a wider matrix
// (concatenation, splitting). Pitches are in elements, at least width. No aliasing. Floor: 2 s rows width
// bytes. pad() writes what is beside the block, too: zeros. Its floor: s rows (width + y_width) bytes.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct CopyRows {
  template <class T>
  static void copy(Context&, int64_t rows, int64_t width, const T* x, int64_t x_pitch, T* y, int64_t y_pitch);

  // y [rows, y_width]: the columns begin .. begin + width are x [rows, width], all others 0.
  template <class T>
  static void pad(Context&, int64_t rows, int64_t width, const T* x, int64_t begin, T* y, int64_t y_width);

  static Floor floor(int64_t rows, int64_t width, int element_bytes) {
    return {2.0 * element_bytes * static_cast<double>(rows * width), 0};
  }
};

}  // namespace saccade
