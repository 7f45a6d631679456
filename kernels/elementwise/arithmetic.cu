#include "kernels/elementwise/arithmetic.h"

#include "kernels/common/map.h"

namespace saccade {

namespace {
struct Sum2 {
  __device__ float operator()(float a, float b) const { return a + b; }
};
struct Difference {
  __device__ float operator()(float a, float b) const { return a - b; }
};
struct Product {
  __device__ float operator()(float a, float b) const { return a * b; }
};
struct Quotient {
  __device__ float operator()(float a, float b) const { return a / b; }
};
struct Scaled {
  float factor;
  __device__ float operator()(float x) const { return factor * x; }
};
struct DivisorGradient {
  __device__ float operator()(float grad_y, float y, float b) const { return -grad_y * y / b; }
};
struct ProductGradients {
  __device__ Pack<float, 2> operator()(float grad_y, float a, float b) const {
    return {{grad_y * b, grad_y * a}};
  }
};
struct QuotientGradients {
  __device__ Pack<float, 2> operator()(float grad_y, float y, float b) const {
    return {{grad_y / b, DivisorGradient()(grad_y, y, b)}};
  }
};
}  // namespace

template <>
template <class T>
void Arithmetic<kGpu>::add(Context& context, int64_t count, const T* a, const T* b, T* y) {
  map(context, count, y, Sum2(), a, b);
}
template void Arithmetic<kGpu>::add(Context&, int64_t, const float*, const float*, float*);
template void Arithmetic<kGpu>::add(Context&, int64_t, const bf16*, const bf16*, bf16*);

template <>
template <class T>
void Arithmetic<kGpu>::subtract(Context& context, int64_t count, const T* a, const T* b, T* y) {
  map(context, count, y, Difference(), a, b);
}
template void Arithmetic<kGpu>::subtract(Context&, int64_t, const float*, const float*, float*);
template void Arithmetic<kGpu>::subtract(Context&, int64_t, const bf16*, const bf16*, bf16*);

template <>
template <class T>
void Arithmetic<kGpu>::multiply(Context& context, int64_t count, const T* a, const T* b, T* y) {
  map(context, count, y, Product(), a, b);
}
template void Arithmetic<kGpu>::multiply(Context&, int64_t, const float*, const float*, float*);
template void Arithmetic<kGpu>::multiply(Context&, int64_t, const bf16*, const bf16*, bf16*);

template <>
template <class T>
void Arithmetic<kGpu>::divide(Context& context, int64_t count, const T* a, const T* b, T* y) {
  map(context, count, y, Quotient(), a, b);
}
template void Arithmetic<kGpu>::divide(Context&, int64_t, const float*, const float*, float*);
template void Arithmetic<kGpu>::divide(Context&, int64_t, const bf16*, const bf16*, bf16*);

template <>
template <class T>
void Arithmetic<kGpu>::scale(Context& context, int64_t count, double factor, const T* x, T* y) {
  map(context, count, y, Scaled{static_cast<float>(factor)}, x);
}
template void Arithmetic<kGpu>::scale(Context&, int64_t, double, const float*, float*);
template void Arithmetic<kGpu>::scale(Context&, int64_t, double, const bf16*, bf16*);

template <>
template <class T>
void Arithmetic<kGpu>::divide_gradient(Context& context, int64_t count, const T* grad_y, const T* y,
                                       const T* b, T* grad_b) {
  map(context, count, grad_b, DivisorGradient(), grad_y, y, b);
}
template void Arithmetic<kGpu>::divide_gradient(Context&, int64_t, const float*, const float*, const float*,
                                                float*);
template void Arithmetic<kGpu>::divide_gradient(Context&, int64_t, const bf16*, const bf16*, const bf16*,
                                                bf16*);

template <>
template <class T>
void Arithmetic<kGpu>::multiply_gradients(Context& context, int64_t count, const T* grad_y, const T* a,
                                          const T* b, T* grad_a, T* grad_b) {
  map_pair(context, count, grad_a, grad_b, ProductGradients(), grad_y, a, b);
}
template void Arithmetic<kGpu>::multiply_gradients(Context&, int64_t, const float*, const float*,
                                                   const float*, float*, float*);
template void Arithmetic<kGpu>::multiply_gradients(Context&, int64_t, const bf16*, const bf16*, const bf16*,
                                                   bf16*, bf16*);

template <>
template <class T>
void Arithmetic<kGpu>::divide_gradients(Context& context, int64_t count, const T* grad_y, const T* y,
                                        const T* b, T* grad_a, T* grad_b) {
  map_pair(context, count, grad_a, grad_b, QuotientGradients(), grad_y, y, b);
}
template void Arithmetic<kGpu>::divide_gradients(Context&, int64_t, const float*, const float*, const float*,
                                                 float*, float*);
template void Arithmetic<kGpu>::divide_gradients(Context&, int64_t, const bf16*, const bf16*, const bf16*,
                                                 bf16*, bf16*);

}  // namespace saccade
