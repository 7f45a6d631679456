#include "kernels/activation/gelu.h"

#include "kernels/common/map.h"

namespace saccade {

namespace {
// Phi(x). erfc keeps the small values left of 0, which 1 + erf would lose.
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
template <class T>
void Gelu<kGpu>::forward(Context& context, int64_t count, const T* x, T* y) {
  map(context, count, y, Forward(), x);
}
template void Gelu<kGpu>::forward(Context&, int64_t, const float*, float*);
template void Gelu<kGpu>::forward(Context&, int64_t, const bf16*, bf16*);

template <>
template <class T>
void Gelu<kGpu>::backward(Context& context, int64_t count, const T* grad_y, const T* x, T* grad_x) {
  map(context, count, grad_x, Backward(), grad_y, x);
}
template void Gelu<kGpu>::backward(Context&, int64_t, const float*, const float*, float*);
template void Gelu<kGpu>::backward(Context&, int64_t, const bf16*, const bf16*, bf16*);

}  // namespace saccade
