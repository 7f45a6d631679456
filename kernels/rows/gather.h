// Rows by index:   gather  y[k,:] = x[index[k],:],   scatter_add  y[j,:] = sum of x[k,:] over the k with
// index[k] = j. gather: x [rows, width], index i64 [picked], y [picked, width]; scatter_add: x [picked,
// width], y [rows, width]. Each is the other's gradient. An index outside 0..rows-1 is an InputError;
// on a GPU, where the host does not wait to read it, gather gives a row of NaN and scatter_add leaves it out.
// Overwrites; no aliasing. The sum goes through lists of k by row, in rising k: deterministic, and rows are
// independent. Floor: 2 s picked width + 8 picked bytes.
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

  // For versions whose index the host can read.
  static void check_index(int64_t rows, int64_t picked, const int64_t* index) {
    for (int64_t k = 0; k < picked; ++k)
      check_input(index[k] >= 0 && index[k] < rows, "index[", k, "] = ", index[k], " is not in 0..",
                  rows - 1);
  }
};

}  // namespace saccade
