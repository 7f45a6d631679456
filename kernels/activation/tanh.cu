#include "kernels/activation/tanh.h"

#include "kernels/common/map.h"

namespace saccade {

namespace {
struct Forward {
  __device__ float operator()(float x) const { return tanhf(x); }
};
struct Backward {
  __device__ float operator()(float grad_y, float y) const { return grad_y * (1.0f - y * y); }
};
}  // namespace

template <>
template <>
void Tanh<kGpu>::forward(Context& context, int64_t count, const float* x, float* y) {
  map(context, count, y, Forward(), x);
}
template <>
template <>
void Tanh<kGpu>::forward(Context& context, int64_t count, const bf16* x, bf16* y) {
  map(context, count, y, Forward(), x);
}

template <>
template <>
void Tanh<kGpu>::backward(Context& context, int64_t count, const float* grad_y, const float* y,
                          float* grad_x) {
  map(context, count, grad_x, Backward(), grad_y, y);
}
template <>
template <>
void Tanh<kGpu>::backward(Context& context, int64_t count, const bf16* grad_y, const bf16* y, bf16* grad_x) {
  map(context, count, grad_x, Backward(), grad_y, y);
}

}  // namespace saccade
