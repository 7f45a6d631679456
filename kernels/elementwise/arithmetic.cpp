#include "kernels/elementwise/arithmetic.h"

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"

namespace saccade {

namespace {
constexpr int64_t kGrain = 32768;
}

template <>
template <class T>
void Arithmetic<Device::cpu>::add(Context& context, int64_t count, const T* a, const T* b, T* y) {
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = float(a[i]) + float(b[i]);
  });
}
template void Arithmetic<Device::cpu>::add(Context&, int64_t, const float*, const float*, float*);
template void Arithmetic<Device::cpu>::add(Context&, int64_t, const bf16*, const bf16*, bf16*);

template <>
template <class T>
void Arithmetic<Device::cpu>::subtract(Context& context, int64_t count, const T* a, const T* b, T* y) {
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = float(a[i]) - float(b[i]);
  });
}
template void Arithmetic<Device::cpu>::subtract(Context&, int64_t, const float*, const float*, float*);
template void Arithmetic<Device::cpu>::subtract(Context&, int64_t, const bf16*, const bf16*, bf16*);

template <>
template <class T>
void Arithmetic<Device::cpu>::multiply(Context& context, int64_t count, const T* a, const T* b, T* y) {
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = float(a[i]) * float(b[i]);
  });
}
template void Arithmetic<Device::cpu>::multiply(Context&, int64_t, const float*, const float*, float*);
template void Arithmetic<Device::cpu>::multiply(Context&, int64_t, const bf16*, const bf16*, bf16*);

template <>
template <class T>
void Arithmetic<Device::cpu>::divide(Context& context, int64_t count, const T* a, const T* b, T* y) {
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = float(a[i]) / float(b[i]);
  });
}
template void Arithmetic<Device::cpu>::divide(Context&, int64_t, const float*, const float*, float*);
template void Arithmetic<Device::cpu>::divide(Context&, int64_t, const bf16*, const bf16*, bf16*);

template <>
template <class T>
void Arithmetic<Device::cpu>::scale(Context& context, int64_t count, double factor, const T* x, T* y) {
  const float a = static_cast<float>(factor);
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = a * float(x[i]);
  });
}
template void Arithmetic<Device::cpu>::scale(Context&, int64_t, double, const float*, float*);
template void Arithmetic<Device::cpu>::scale(Context&, int64_t, double, const bf16*, bf16*);

template <>
template <class T>
void Arithmetic<Device::cpu>::divide_gradient(Context& context, int64_t count, const T* grad_y, const T* y,
                                              const T* b, T* grad_b) {
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) grad_b[i] = -float(grad_y[i]) * float(y[i]) / float(b[i]);
  });
}
template void Arithmetic<Device::cpu>::divide_gradient(Context&, int64_t, const float*, const float*,
                                                       const float*, float*);
template void Arithmetic<Device::cpu>::divide_gradient(Context&, int64_t, const bf16*, const bf16*,
                                                       const bf16*, bf16*);

template <>
template <class T>
void Arithmetic<Device::cpu>::multiply_gradients(Context& context, int64_t count, const T* grad_y, const T* a,
                                                 const T* b, T* grad_a, T* grad_b) {
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      grad_a[i] = float(grad_y[i]) * float(b[i]);
      grad_b[i] = float(grad_y[i]) * float(a[i]);
    }
  });
}
template void Arithmetic<Device::cpu>::multiply_gradients(Context&, int64_t, const float*, const float*,
                                                          const float*, float*, float*);
template void Arithmetic<Device::cpu>::multiply_gradients(Context&, int64_t, const bf16*, const bf16*,
                                                          const bf16*, bf16*, bf16*);

template <>
template <class T>
void Arithmetic<Device::cpu>::divide_gradients(Context& context, int64_t count, const T* grad_y, const T* y,
                                               const T* b, T* grad_a, T* grad_b) {
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      grad_a[i] = float(grad_y[i]) / float(b[i]);
      grad_b[i] = -float(grad_y[i]) * float(y[i]) / float(b[i]);
    }
  });
}
template void Arithmetic<Device::cpu>::divide_gradients(Context&, int64_t, const float*, const float*,
                                                        const float*, float*, float*);
template void Arithmetic<Device::cpu>::divide_gradients(Context&, int64_t, const bf16*, const bf16*,
                                                        const bf16*, bf16*, bf16*);

}  // namespace saccade
