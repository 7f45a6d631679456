// The layout of convolution weights: files hold PyTorch's OIHW = [out, in, kh, kw], kernels want KRSC = [out,
// kh, kw, in]. Error unless the shape has four dimensions and the dtype is f32, bf16 or f64.
#pragma once

#include "tensor/weights/weight_file.h"

namespace saccade {

// to[o, y, x, i] = from[o, i, y, x]. `shape` is that of `from`; `from` and `to` do not overlap.
void permute_oihw_to_krsc(DType dtype, std::span<const int64_t> shape, const void* from, void* to);

// to[o, i, y, x] = from[o, y, x, i]. `shape` is that of `from`; `from` and `to` do not overlap.
void permute_krsc_to_oihw(DType dtype, std::span<const int64_t> shape, const void* from, void* to);

// The same on whole tensors; the shape is permuted with the data.
HostTensor permute_oihw_to_krsc(const HostTensor& weight);
HostTensor permute_krsc_to_oihw(const HostTensor& weight);

}  // namespace saccade
