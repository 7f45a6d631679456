// y[n,i,j,c] = max over r,s of x[n, i*stride - padding + r, j*stride - padding + s, c].
// x [N,H,W,C], y and tap [N,OH,OW,C]; OH = (H + 2 padding - kernel) / stride + 1, OW likewise. Padding never
// wins. Ties go to the first tap in row-major order; a NaN wins. tap = r * kernel + s of the winner, which is
// all that the gradient needs. No aliasing; outputs are overwritten.
// Floor: forward s (E_in + E_out) + E_out bytes; windows that overlap read more than once, from the cache.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"
#include "kernels/pool/window.h"

namespace saccade {

template <Device D>
struct MaxPool2d {
  template <class T>
  static void forward(Context&, const Window&, const T* x, T* y, uint8_t* tap);

  // grad_x = sum of grad_y over the windows that x won.
  template <class T>
  static void backward(Context&, const Window&, const T* grad_y, const uint8_t* tap, T* grad_x);

  static Floor floor(const Window& window, int element_bytes) {
    const double in = static_cast<double>(window.in_count()), out = static_cast<double>(window.out_count());
    return {element_bytes * (in + out) + out, out * static_cast<double>(window.kernel * window.kernel)};
  }
};

}  // namespace saccade
