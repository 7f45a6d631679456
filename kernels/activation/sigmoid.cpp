#include "kernels/activation/sigmoid.h"

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"
#include "kernels/common/vector_math.h"

namespace saccade {

template <>
template <class T>
void Sigmoid<Device::cpu>::forward(Context& context, int64_t count, const T* x, T* y) {
  parallel_for(context, count, 16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = sigmoid_vector(float(x[i]));
  });
}
template void Sigmoid<Device::cpu>::forward(Context&, int64_t, const float*, float*);
template void Sigmoid<Device::cpu>::forward(Context&, int64_t, const bf16*, bf16*);

template <>
template <class T>
void Sigmoid<Device::cpu>::backward(Context& context, int64_t count, const T* grad_y, const T* y, T* grad_x) {
  parallel_for(context, count, 16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) grad_x[i] = float(grad_y[i]) * float(y[i]) * (1.0f - float(y[i]));
  });
}
template void Sigmoid<Device::cpu>::backward(Context&, int64_t, const float*, const float*, float*);
template void Sigmoid<Device::cpu>::backward(Context&, int64_t, const bf16*, const bf16*, bf16*);

}  // namespace saccade
