#include "kernels/activation/relu.h"

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"

namespace saccade {

template <>
template <class T>
void Relu<Device::cpu>::forward(Context& context, int64_t count, const T* x, T* y) {
  parallel_for(context, count, 32768, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = float(x[i]) > 0 ? float(x[i]) : 0.0f;
  });
}
template void Relu<Device::cpu>::forward(Context&, int64_t, const float*, float*);
template void Relu<Device::cpu>::forward(Context&, int64_t, const bf16*, bf16*);

template <>
template <class T>
void Relu<Device::cpu>::backward(Context& context, int64_t count, const T* grad_y, const T* y, T* grad_x) {
  parallel_for(context, count, 32768, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float grad = float(grad_y[i]);  // read always: a conditional load would become a branch
      grad_x[i] = float(y[i]) > 0 ? grad : 0.0f;
    }
  });
}
template void Relu<Device::cpu>::backward(Context&, int64_t, const float*, const float*, float*);
template void Relu<Device::cpu>::backward(Context&, int64_t, const bf16*, const bf16*, bf16*);

}  // namespace saccade
