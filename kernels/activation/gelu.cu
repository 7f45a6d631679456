#include "kernels/activation/gelu.h"

#include "kernels/common/map.h"

namespace saccade {

namespace {
// Phi(x). Through erfc and not 1 + erf, which would lose the small values left of 0.
__device__ __forceinline__ float cumulative(float x) {
  return 0.5f * erfcf(-0.70710678118654752f * x);
}

struct Forward {
  __device__ float operator()(float x) const { return x * cumulative(x); }
};
struct Backward {
  __device__ float operator()(float grad_y, float x) const {
    const float density = 0.39894228040143268f * expf(-0.5f * x * x);
    return grad_y * (cumulative(x) + x * density);
  }
};
}  // namespace

template <>
template <>
void Gelu<kGpu>::forward(Context& context, int64_t count, const float* x, float* y) {
  map(context, count, y, Forward(), x);
}
template <>
template <>
void Gelu<kGpu>::forward(Context& context, int64_t count, const bf16* x, bf16* y) {
  map(context, count, y, Forward(), x);
}

template <>
template <>
void Gelu<kGpu>::backward(Context& context, int64_t count, const float* grad_y, const float* x,
                          float* grad_x) {
  map(context, count, grad_x, Backward(), grad_y, x);
}
template <>
template <>
void Gelu<kGpu>::backward(Context& context, int64_t count, const bf16* grad_y, const bf16* x, bf16* grad_x) {
  map(context, count, grad_x, Backward(), grad_y, x);
}

}  // namespace saccade
