// Tensors of different floating types into each other.
#pragma once

#include "tensor/tensor.h"

namespace saccade {

// to = from, and to += from, for tensors of one shape. The types may differ: f32 and bf16 (kernels/elementwise/cast.h).
void assign(Context& context, const Tensor& to, const Tensor& from);
void add_in_place(Context& context, const Tensor& to, const Tensor& from);

// A new tensor with the values of `from` in another type, on the device.
Tensor cast_copy(Context& context, const Tensor& from, DType dtype);

}  // namespace saccade
