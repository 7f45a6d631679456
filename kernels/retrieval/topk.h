// The k best of each row; the row may arrive in pieces.
//
//   values[r,0..k), indices[r,0..k) = the k smallest (or largest) of x[r,:] in order
//
// x [rows,columns] with a row pitch, values and indices [rows,k]. Ties go to the lowest index. A NaN comes
// after every number, whether the smallest or the largest are asked for. Nothing may alias.
// Floor: x read once, values and indices written once, one comparison for each element.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct TopK {
  // Takes whole rows. Overwrites values and indices. Throws Error unless 0 <= k <= columns.
  template <class T>
  static void forward(Context&, int64_t rows, int64_t columns, int64_t k, bool largest, const T* x, T* values,
                      int64_t* indices);

  // Begins a row that arrives in pieces: every place is empty (value NaN, index -1).
  template <class T>
  static void clear(Context&, int64_t rows, int64_t k, T* values, int64_t* indices);

  // Takes columns first .. first + columns of the row, which lie in x with `pitch`.
  // Pieces may come in any order: the result is that of forward on the whole row,
  // with empty places at the end until k columns have come.
  template <class T>
  static void update(Context&, int64_t rows, int64_t columns, int64_t first, int64_t k, bool largest,
                     const T* x, int64_t pitch, T* values, int64_t* indices);

  static Floor floor(int64_t rows, int64_t columns, int64_t k, int element_bytes) {
    const double in = static_cast<double>(rows) * static_cast<double>(columns);
    const double out = static_cast<double>(rows) * static_cast<double>(k);
    return {in * element_bytes + out * (element_bytes + 8.0), in};
  }
};

}  // namespace saccade
