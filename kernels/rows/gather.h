// Rows by index: the registry's gather_rows and scatter_add_rows, each the gradient of the other.
//
//   gather        y[k,:] = x[index[k],:]                            x [rows, width], y [picked, width]
//   scatter_add   y[j,:] = sum of x[k,:] over the k, index[k] = j   x [picked, width], y [rows, width]
//
// index i64 [picked]. An index outside 0..rows-1 is an InputError. On a GPU the host does not wait to read
// it: there gather gives a row of NaN, and scatter_add leaves x[k,:] out. Outputs are overwritten; no
// aliasing. The sum runs over k in rising order, so it is deterministic, and rows are independent.
// Floor: s (rows of y + picked) width + 8 picked bytes.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct Gather {
  template <class T>
  static void gather(Context&, int64_t rows, int64_t picked, int64_t width, const T* x, const int64_t* index,
                     T* y);
  template <class T>
  static void scatter_add(Context&, int64_t rows, int64_t picked, int64_t width, const T* x,
                          const int64_t* index, T* y);

  static Floor floor(int64_t rows_written, int64_t picked, int64_t width, int element_bytes) {
    const double moved = static_cast<double>((rows_written + picked) * width);
    return {element_bytes * moved + 8.0 * static_cast<double>(picked), 0};
  }

  // For devices whose memory the host can read.
  static void check_index(int64_t rows, int64_t picked, const int64_t* index) {
    for (int64_t k = 0; k < picked; ++k)
      check_input(index[k] >= 0 && index[k] < rows, "index[", k, "] = ", index[k], " is not in 0..",
                  rows - 1);
  }
};

}  // namespace saccade
