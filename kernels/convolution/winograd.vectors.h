// The transforms of winograd.h on vectors of channels. A *piece* is what one transform takes of an image: 4x4 pixels of
// the side that slides not (y), or the 6x6 pixels around them (x). A transformed piece has 36 numbers for each channel,
// the *positions*. In the small form these are 2x2, 4x4 and 16.
#pragma once

#include "kernels/common/vectors.h"

namespace saccade::winograd {

constexpr int64_t kOut = 4, kIn = 6, kPositions = kIn * kIn;
constexpr int64_t kSmallOut = 2, kSmallIn = 4;

// Images [n, h, w, channels] whose pixels are read or written piece by piece. The grid of pieces is that of y; the last
// ones of a row or a column lie partly outside where the size of a piece does not divide y.
struct Pieces {
  int64_t n, rows, columns;  // the grid
  int64_t h, w, channels;    // the image

  int64_t count() const { return n * rows * columns; }
};

// Where the numbers of transformed pieces lie: that of channel c of piece i at position p is
//   data[p * position + c / panel_width * panel + i * pitch + c % panel_width],
// which is either rows of all channels or panels (kernels/matmul/panels.h).
struct Layout {
  int64_t position, panel, pitch;
};

// How images are transformed in pieces of one size.
struct Form {
  int64_t out, in;    // the pixels along a side of a piece of y, and of x
  const int* points;  // for each of its `in` points which of the 6 that the weights have

  // B^T x B of the pieces [first, first + count), with pixels up to `pad` before the image's first ones and whatever
  // lies behind its last ones 0. `zeros` are as many as the image has channels.
  void (*input)(const Pieces&, const float* x, int64_t pad_h, int64_t pad_w, int64_t first, int64_t count,
                const float* zeros, float* to, const Layout&);
  // A^T m A of the pieces into the image, or added to what is there. `beyond` takes what falls outside it.
  void (*output)(const Pieces&, const float* from, const Layout&, int64_t first, int64_t count, bool add,
                 float* beyond, float* y);

  int64_t positions() const { return in * in; }
  // The position of the transformed weights that belongs to one of a piece.
  int64_t of_weights(int64_t position) const { return points[position / in] * kIn + points[position % in]; }
};

struct Transforms {
  Form large, small;  // of 4x4 and of 2x2 pixels

  // A y A^T of the pieces, in the large form.
  void (*gradient)(const Pieces&, const float* grad_y, int64_t first, int64_t count, const float* zeros,
                   float* to, const Layout&);

  // G w G^T of one panel of filters w [K,3,3,C]: to[p * position + c * width + j] for the filters first + j.
  void (*weights)(int64_t k, int64_t c, int64_t first, const float* w, float* to, int64_t position);
  // Of the filters turned by 180 degrees, C and K exchanged: to[p * position + k * width + j], channels first + j.
  void (*turned_weights)(int64_t k, int64_t c, int64_t first, const float* w, float* to, int64_t position);
  // grad_w[k,:,:,:] = G^T m G, from[p * position + k * pitch + c].
  void (*weight_gradient)(int64_t c, const float* from, int64_t position, float* grad_w);
};

const Transforms& transforms(Vectors vectors);

}  // namespace saccade::winograd
