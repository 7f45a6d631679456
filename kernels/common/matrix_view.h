// Matrices that lie in a larger tensor. A tensor is always dense; a view of its columns, or of the heads of a
// fused projection, exists only inside functions and kernels, where a copy would hurt.
#pragma once

#include <cstdint>

#include "kernels/common/error.h"

namespace saccade {

// A batch of matrices; all sizes and strides count elements. Element (i, j) of matrix (o, n), before it is
// transposed, lies at
//
//   offset + o * outer.stride + n * inner.stride + i * pitch + j
//
// A batch has two dimensions because the heads of a projection [B, T, heads * width] need two: a sample
// begins T * heads * width elements after the one before, a head `width` elements after its neighbor.
struct MatrixView {
  struct Batch {
    int64_t count = 1, stride = 0;
  };

  int64_t rows = 0, columns = 0;  // as they lie in memory
  int64_t pitch = 0;              // from a row to the next, at least `columns`
  int64_t offset = 0;
  Batch outer, inner;
  bool transposed = false;  // the matrix that is meant is the transpose

  int64_t height() const { return transposed ? columns : rows; }
  int64_t width() const { return transposed ? rows : columns; }
  int64_t batch() const { return outer.count * inner.count; }
  int64_t count() const { return batch() * rows * columns; }

  // Where matrix `index` of the batch begins; the inner dimension runs first.
  int64_t begin(int64_t index) const {
    return offset + index / inner.count * outer.stride + index % inner.count * inner.stride;
  }
  // One past the last element that is read or written.
  int64_t end() const { return count() == 0 ? 0 : begin(batch() - 1) + (rows - 1) * pitch + columns; }
};

inline MatrixView transposed(MatrixView view) {
  view.transposed = !view.transposed;
  return view;
}

// The matrices of a dense tensor [outer, inner, rows, columns].
inline MatrixView dense_matrices(int64_t outer, int64_t inner, int64_t rows, int64_t columns) {
  const int64_t size = rows * columns;
  return {rows, columns, columns, 0, {outer, inner * size}, {inner, size}};
}

// Columns [first, first + heads * width) of a tensor [batch, rows, pitch]: matrix (b, h) holds columns
// [first + h * width, first + (h + 1) * width) of sample b.
inline MatrixView matrices_of_heads(int64_t batch, int64_t rows, int64_t pitch, int64_t first, int64_t heads,
                                    int64_t width) {
  check(first >= 0 && first + heads * width <= pitch, "heads beyond the ", pitch, " columns of their tensor");
  return {rows, width, pitch, first, {batch, rows * pitch}, {heads, width}};
}

}  // namespace saccade
