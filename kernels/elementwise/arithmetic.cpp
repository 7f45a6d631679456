#include "kernels/elementwise/arithmetic.h"

#include "kernels/common/parallel.h"

namespace saccade {

namespace {
constexpr int64_t kGrain = 32768;
}

template <>
template <>
void Arithmetic<Device::cpu>::add(Context& context, int64_t count, const float* a, const float* b, float* y) {
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = a[i] + b[i];
  });
}

template <>
template <>
void Arithmetic<Device::cpu>::subtract(Context& context, int64_t count, const float* a, const float* b,
                                       float* y) {
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = a[i] - b[i];
  });
}

template <>
template <>
void Arithmetic<Device::cpu>::multiply(Context& context, int64_t count, const float* a, const float* b,
                                       float* y) {
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = a[i] * b[i];
  });
}

template <>
template <>
void Arithmetic<Device::cpu>::divide(Context& context, int64_t count, const float* a, const float* b,
                                     float* y) {
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = a[i] / b[i];
  });
}

template <>
template <>
void Arithmetic<Device::cpu>::scale(Context& context, int64_t count, double factor, const float* x,
                                    float* y) {
  const float a = static_cast<float>(factor);
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = a * x[i];
  });
}

template <>
template <>
void Arithmetic<Device::cpu>::divide_gradient(Context& context, int64_t count, const float* grad_y,
                                              const float* y, const float* b, float* grad_b) {
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) grad_b[i] = -grad_y[i] * y[i] / b[i];
  });
}

template <>
template <>
void Arithmetic<Device::cpu>::multiply_gradients(Context& context, int64_t count, const float* grad_y,
                                                 const float* a, const float* b, float* grad_a,
                                                 float* grad_b) {
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      grad_a[i] = grad_y[i] * b[i];
      grad_b[i] = grad_y[i] * a[i];
    }
  });
}

template <>
template <>
void Arithmetic<Device::cpu>::divide_gradients(Context& context, int64_t count, const float* grad_y,
                                               const float* y, const float* b, float* grad_a, float* grad_b) {
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      grad_a[i] = grad_y[i] / b[i];
      grad_b[i] = -grad_y[i] * y[i] / b[i];
    }
  });
}

}  // namespace saccade
