// Convolutions on the CPU through oneDNN, for bf16: the functions are Conv2d's (conv2d.h), and no count of the shape
// may be 0. oneDNN sums bf16 in f32 with the processor's own instructions (multiplies_bf16()), and fails on a
// processor that has none. In f32 it computes on any; there our own forms are faster, and the tests alone ask for it.
//
// oneDNN wants its own blocked weights: they are packed in each call, or kept by `weight_version`.
#pragma once

#include "kernels/convolution/conv2d.h"

namespace saccade::onednn_conv2d {

template <class T>
void forward(Context&, const Conv2dShape&, const T* x, const T* w, const T* b, T* y, uint64_t weight_version);
template <class T>
void backward_data(Context&, const Conv2dShape&, const T* grad_y, const T* w, T* grad_x);

// Not for all shapes: oneDNN 2.6's 1x1 kernels first gather a strided input into buffers of whole blocks of channels.
// Where the last block is not full, those of two threads overlap, and sums are wrong from time to time (seen with AVX2).
inline bool has_backward_weight(const Conv2dShape& d) {
  return d.r != 1 || d.s != 1 || (d.stride_h == 1 && d.stride_w == 1) || d.c % 16 == 0;
}
template <class T>
void backward_weight(Context&, const Conv2dShape&, const T* x, const T* grad_y, T* grad_w, T* grad_b);

}  // namespace saccade::onednn_conv2d
