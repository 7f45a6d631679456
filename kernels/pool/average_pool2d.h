// y[n,i,j,c] = 1 / kernel^2 * sum over r,s of x[n, i*stride - padding + r, j*stride - padding + s, c],
// where x is zero outside the image (padding counts in the mean). x [N,H,W,C], y [N,OH,OW,C]; OH and OW as in
// max_pool2d.h. No aliasing; outputs are overwritten. Floor: s (E_in + E_out) bytes.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"
#include "kernels/pool/window.h"

namespace saccade {

template <Device D>
struct AveragePool2d {
  template <class T>
  static void forward(Context&, const Window&, const T* x, T* y);
  template <class T>
  static void backward(Context&, const Window&, const T* grad_y, T* grad_x);

  static Floor floor(const Window& window, int element_bytes) {
    const double in = static_cast<double>(window.in_count()), out = static_cast<double>(window.out_count());
    return {element_bytes * (in + out), out * static_cast<double>(window.kernel * window.kernel)};
  }
};

}  // namespace saccade
