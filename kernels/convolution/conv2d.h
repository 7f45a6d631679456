// Two-dimensional convolution (a cross-correlation, as in every framework) of NHWC images with KRSC weights.
//
//   y[n,p,q,k] = b[k] + sum over r,s,c of x[n,i,j,c] * w[k,r,s,c],
//   where i = p*stride_h - pad_h + r and j = q*stride_w - pad_w + s
//
// x [N,H,W,C], w [K,R,S,C], b [K] or null, y [N,P,Q,K]; pixels outside x are 0. Nothing may alias. All
// outputs are overwritten. Floor: each tensor once; 2 N P Q K R S C operations for each of the three passes.
//
// On CUDA, cuDNN computes where it has a deterministic plan (kernels/convolution/cudnn.h), and our own
// kernels otherwise; Context::kernels = own asks for ours. simt runs our own.
//
// On the CPU in f32, 3x3 convolutions of stride 1 take Winograd's form where it gains (winograd.h), unless
// Context::exact, and all others are products of gathered windows (windows.h); in bf16 oneDNN computes
// (onednn_conv2d.h), or, where the processor has no instructions for it, the forms of f32, whose results are rounded.
// Each of them packs the weights. A `weight_version` other than 0 promises that equal (weight, version) means equal
// values, so that what is packed can be kept (inference); 0 packs anew.
#pragma once

#include <string>

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

struct Conv2dShape {
  int64_t n, h, w, c;  // input
  int64_t k, r, s;     // filters and their size
  int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0;

  int64_t p() const { return (h + 2 * pad_h - r) / stride_h + 1; }
  int64_t q() const { return (w + 2 * pad_w - s) / stride_w + 1; }
  int64_t x_count() const { return n * h * w * c; }
  int64_t w_count() const { return k * r * s * c; }
  int64_t y_count() const { return n * p() * q() * k; }
};

template <Device D>
struct Conv2d {
  template <class T>
  static void forward(Context&, const Conv2dShape&, const T* x, const T* w, const T* b, T* y,
                      uint64_t weight_version);

  // grad_x[n,i,j,c] = sum of grad_y[n,p,q,k] * w[k,r,s,c] over k and the (p,q,r,s) with these i and j
  template <class T>
  static void backward_data(Context&, const Conv2dShape&, const T* grad_y, const T* w, T* grad_x);

  // grad_w[k,r,s,c] = sum over n,p,q of grad_y[n,p,q,k] * x[n,i,j,c]
  // grad_b[k]       = sum over n,p,q of grad_y[n,p,q,k]; grad_b may be null
  template <class T>
  static void backward_weight(Context&, const Conv2dShape&, const T* x, const T* grad_y, T* grad_w,
                              T* grad_b);

  static Floor floor(const Conv2dShape& s, int element_bytes) {
    return {static_cast<double>(element_bytes) * static_cast<double>(s.x_count() + s.w_count() + s.y_count()),
            2.0 * static_cast<double>(s.y_count()) * static_cast<double>(s.r * s.s * s.c)};
  }
};

}  // namespace saccade
