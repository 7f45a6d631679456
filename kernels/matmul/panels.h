// The inside of f32 matrix products and convolutions on the CPU: products of blocks that lie in cache, one of them in
// *panels*. A panel holds `width` neighbouring columns of a matrix, row after row, so that the inner loop reads it in
// order. A matrix of `columns` columns has count(columns) of them; what the last one has too many is never stored.
//
// The sum of a call runs over the depth in order, in one accumulator of fused multiply-adds, and is then added to what
// is there, if it is to be added. So the bits depend on how the caller cuts the depth, but not on how it cuts rows and
// columns, nor on the width of the vectors (avx2 and avx512; portable rounds twice where the processor has no such
// instruction). Floor of a product: 2 rows columns depth operations.
#pragma once

#include "kernels/common/vectors.h"

namespace saccade {

struct Panels {
  int64_t width;  // columns of a panel

  // c[i,j] = sum over l < depth of a[i,l] panel[l,j], or c[i,j] += it where `add`, for i < rows, j < columns <= width.
  // Row pitches in elements. Meanwhile `next` comes from memory into the L2 cache: the panel that the next call
  // has, of as much depth, or null.
  void (*multiply)(int64_t rows, int64_t columns, int64_t depth, const float* a, int64_t pitch_a,
                   const float* panel, const float* next, float* c, int64_t pitch_c, bool add);

  // The same with the left side transposed and itself a panel: c[i,j] (+)= sum over l < depth of left[l,i] panel[l,j],
  // for i < rows <= width.
  void (*multiply_transposed)(int64_t rows, int64_t columns, int64_t depth, const float* left,
                              const float* panel, float* c, int64_t pitch_c, bool add);

  // Rows of a matrix b [depth, columns] of this pitch into its panels, which lie `stride` floats apart:
  // to[j / width * stride + l * width + j % width] = b[l,j], and 0 for the columns that a last panel has too many.
  void (*pack)(int64_t depth, int64_t columns, const float* b, int64_t pitch, float* to, int64_t stride);
  // One panel of the transpose of b [columns <= width, depth]: panel[l,j] = b[j,l], and 0 beyond.
  void (*pack_transposed)(int64_t depth, int64_t columns, const float* b, int64_t pitch, float* panel);

  int64_t count(int64_t columns) const { return (columns + width - 1) / width; }
};

const Panels& panels(Vectors vectors);

}  // namespace saccade
