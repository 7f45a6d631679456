// From the run-time device and dtype of a tensor to the kernel that computes.
#pragma once

#include "kernels/common/context.h"
#include "tensor/dtype.h"

namespace saccade {

// Throws an InputError that names the op, the dtype and the device.
[[noreturn]] inline void refuse(const Context& context, DType dtype) {
  throw InputError(concat(context.current_op ? context.current_op : "this op", " has no ", name_of(dtype),
                          " version on ", name_of(context.device())));
}

// Calls f.operator()<D, T>() for an op on the CPU: f32 takes the fast kernel, f64 and Bound take the reference. These
// functions throw the InputError of refuse() where there is no version.
template <class F>
void dispatch_cpu(const Context& context, DType dtype, F&& f) {
  if (context.device() == Device::cpu) {
    if (dtype == DType::f32) return f.template operator()<Device::cpu, float>();
    if (dtype == DType::f64) return f.template operator()<Device::reference, double>();
    if (dtype == DType::bound) return f.template operator()<Device::reference, Bound>();
  }
  refuse(context, dtype);
}

// The same for an op of a network, which has versions for f32 and bf16 on every device.
template <class F>
void dispatch(const Context& context, DType dtype, F&& f) {
  if (context.device() == Device::cpu && dtype == DType::bf16)
    return f.template operator()<Device::cpu, bf16>();
#ifdef SACCADE_CUDA
  if (context.device() == Device::cuda) {
    if (dtype == DType::f32) return f.template operator()<Device::cuda, float>();
    if (dtype == DType::bf16) return f.template operator()<Device::cuda, bf16>();
  }
#endif
#ifdef SACCADE_SIMT
  if (context.device() == Device::simt) {
    if (dtype == DType::f32) return f.template operator()<Device::simt, float>();
    if (dtype == DType::bf16) return f.template operator()<Device::simt, bf16>();
  }
#endif
  dispatch_cpu(context, dtype, f);
}

// The same for an op without bf16: optimizers, whose arenas are f32 whatever the network computes in.
template <class F>
void dispatch_f32(const Context& context, DType dtype, F&& f) {
#ifdef SACCADE_CUDA
  if (context.device() == Device::cuda && dtype == DType::f32)
    return f.template operator()<Device::cuda, float>();
#endif
#ifdef SACCADE_SIMT
  if (context.device() == Device::simt && dtype == DType::f32)
    return f.template operator()<Device::simt, float>();
#endif
  dispatch_cpu(context, dtype, f);
}

}  // namespace saccade
