// The plain kernels of max_pool2d.h: a thread for each output, and one for each element of the gradient.
#pragma once

#include "kernels/common/each.h"
#include "kernels/pool/window_tile.h"

namespace saccade {
inline namespace SACCADE_TARGET {

template <class T>
struct PlainMaxPool2d {
  WindowTile w;
  const T* x;
  T* y;
  uint8_t* tap;

  __device__ void operator()(int64_t item) const {
    const auto at = w.place<1>(static_cast<uint32_t>(item), w.out_width, w.out_height);
    float best = 0;
    int winner = -1;
    for (int r = 0; r < w.kernel; ++r)
      for (int s = 0; s < w.kernel; ++s) {
        const int row = at.row * w.stride - w.padding + r, column = at.column * w.stride - w.padding + s;
        if (row < 0 || row >= w.height || column < 0 || column >= w.width) continue;
        const float value = static_cast<float>(x[w.in_offset(at.image, row, column) + at.channel]);
        if (winner >= 0 && !(value > best) && (value == value || best != best)) continue;  // a NaN wins
        best = value;
        winner = r * w.kernel + s;
      }
    y[item] = static_cast<T>(best);
    tap[item] = static_cast<uint8_t>(winner);
  }
};

template <class T>
struct PlainMaxPool2dGradient {
  WindowTile w;
  const T* grad_y;
  const uint8_t* tap;
  T* grad_x;

  __device__ void operator()(int64_t item) const {
    const auto at = w.place<1>(static_cast<uint32_t>(item), w.width, w.height);
    float sum = 0;
    for (int r = 0; r < w.kernel; ++r)
      for (int s = 0; s < w.kernel; ++s) {  // the window that holds this pixel at its tap (r, s)
        const int i = (at.row + w.padding - r) / w.stride, j = (at.column + w.padding - s) / w.stride;
        if (i * w.stride != at.row + w.padding - r || i < 0 || i >= w.out_height) continue;
        if (j * w.stride != at.column + w.padding - s || j < 0 || j >= w.out_width) continue;
        const int64_t out = w.out_offset(at.image, i, j) + at.channel;
        if (tap[out] == r * w.kernel + s) sum += static_cast<float>(grad_y[out]);
      }
    grad_x[item] = static_cast<T>(sum);
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
