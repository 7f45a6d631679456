#include "kernels/activation/sigmoid.h"

#include "kernels/common/map.h"

namespace saccade {

namespace {
struct Forward {
  __device__ float operator()(float x) const { return __fdividef(1.0f, 1.0f + expf(-x)); }
};
struct Backward {
  __device__ float operator()(float grad_y, float y) const { return grad_y * y * (1.0f - y); }
};
}  // namespace

template <>
template <>
void Sigmoid<kGpu>::forward(Context& context, int64_t count, const float* x, float* y) {
  map(context, count, y, Forward(), x);
}
template <>
template <>
void Sigmoid<kGpu>::forward(Context& context, int64_t count, const bf16* x, bf16* y) {
  map(context, count, y, Forward(), x);
}

template <>
template <>
void Sigmoid<kGpu>::backward(Context& context, int64_t count, const float* grad_y, const float* y,
                             float* grad_x) {
  map(context, count, grad_x, Backward(), grad_y, y);
}
template <>
template <>
void Sigmoid<kGpu>::backward(Context& context, int64_t count, const bf16* grad_y, const bf16* y,
                             bf16* grad_x) {
  map(context, count, grad_x, Backward(), grad_y, y);
}

}  // namespace saccade
