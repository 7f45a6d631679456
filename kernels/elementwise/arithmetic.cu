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
template <>
void Arithmetic<kGpu>::add(Context& context, int64_t count, const float* a, const float* b, float* y) {
  map(context, count, y, Sum2(), a, b);
}
template <>
template <>
void Arithmetic<kGpu>::add(Context& context, int64_t count, const bf16* a, const bf16* b, bf16* y) {
  map(context, count, y, Sum2(), a, b);
}

template <>
template <>
void Arithmetic<kGpu>::subtract(Context& context, int64_t count, const float* a, const float* b, float* y) {
  map(context, count, y, Difference(), a, b);
}
template <>
template <>
void Arithmetic<kGpu>::subtract(Context& context, int64_t count, const bf16* a, const bf16* b, bf16* y) {
  map(context, count, y, Difference(), a, b);
}

template <>
template <>
void Arithmetic<kGpu>::multiply(Context& context, int64_t count, const float* a, const float* b, float* y) {
  map(context, count, y, Product(), a, b);
}
template <>
template <>
void Arithmetic<kGpu>::multiply(Context& context, int64_t count, const bf16* a, const bf16* b, bf16* y) {
  map(context, count, y, Product(), a, b);
}

template <>
template <>
void Arithmetic<kGpu>::divide(Context& context, int64_t count, const float* a, const float* b, float* y) {
  map(context, count, y, Quotient(), a, b);
}
template <>
template <>
void Arithmetic<kGpu>::divide(Context& context, int64_t count, const bf16* a, const bf16* b, bf16* y) {
  map(context, count, y, Quotient(), a, b);
}

template <>
template <>
void Arithmetic<kGpu>::scale(Context& context, int64_t count, double factor, const float* x, float* y) {
  map(context, count, y, Scaled{static_cast<float>(factor)}, x);
}
template <>
template <>
void Arithmetic<kGpu>::scale(Context& context, int64_t count, double factor, const bf16* x, bf16* y) {
  map(context, count, y, Scaled{static_cast<float>(factor)}, x);
}

template <>
template <>
void Arithmetic<kGpu>::divide_gradient(Context& context, int64_t count, const float* grad_y, const float* y,
                                       const float* b, float* grad_b) {
  map(context, count, grad_b, DivisorGradient(), grad_y, y, b);
}
template <>
template <>
void Arithmetic<kGpu>::divide_gradient(Context& context, int64_t count, const bf16* grad_y, const bf16* y,
                                       const bf16* b, bf16* grad_b) {
  map(context, count, grad_b, DivisorGradient(), grad_y, y, b);
}

template <>
template <>
void Arithmetic<kGpu>::multiply_gradients(Context& context, int64_t count, const float* grad_y,
                                          const float* a, const float* b, float* grad_a, float* grad_b) {
  map_pair(context, count, grad_a, grad_b, ProductGradients(), grad_y, a, b);
}
template <>
template <>
void Arithmetic<kGpu>::multiply_gradients(Context& context, int64_t count, const bf16* grad_y, const bf16* a,
                                          const bf16* b, bf16* grad_a, bf16* grad_b) {
  map_pair(context, count, grad_a, grad_b, ProductGradients(), grad_y, a, b);
}

template <>
template <>
void Arithmetic<kGpu>::divide_gradients(Context& context, int64_t count, const float* grad_y, const float* y,
                                        const float* b, float* grad_a, float* grad_b) {
  map_pair(context, count, grad_a, grad_b, QuotientGradients(), grad_y, y, b);
}
template <>
template <>
void Arithmetic<kGpu>::divide_gradients(Context& context, int64_t count, const bf16* grad_y, const bf16* y,
                                        const bf16* b, bf16* grad_a, bf16* grad_b) {
  map_pair(context, count, grad_a, grad_b, QuotientGradients(), grad_y, y, b);
}

}  // namespace saccade
