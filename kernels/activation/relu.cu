#include "kernels/activation/relu.h"

#include "kernels/common/map.h"

namespace saccade {

namespace {
struct Forward {
  __device__ float operator()(float x) const { return x > 0 ? x : 0.0f; }
};
struct Backward {
  __device__ float operator()(float grad_y, float y) const { return y > 0 ? grad_y : 0.0f; }
};
}  // namespace

template <>
template <class T>
void Relu<kGpu>::forward(Context& context, int64_t count, const T* x, T* y) {
  map(context, count, y, Forward(), x);
}
template void Relu<kGpu>::forward(Context&, int64_t, const float*, float*);
template void Relu<kGpu>::forward(Context&, int64_t, const bf16*, bf16*);

template <>
template <class T>
void Relu<kGpu>::backward(Context& context, int64_t count, const T* grad_y, const T* y, T* grad_x) {
  map(context, count, grad_x, Backward(), grad_y, y);
}
template void Relu<kGpu>::backward(Context&, int64_t, const float*, const float*, float*);
template void Relu<kGpu>::backward(Context&, int64_t, const bf16*, const bf16*, bf16*);

}  // namespace saccade
