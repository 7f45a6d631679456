#include "kernels/activation/relu.h"

#include "kernels/common/parallel.h"

namespace saccade {

template <>
template <>
void Relu<Device::cpu>::forward(Context& context, int64_t count, const float* x, float* y) {
  parallel_for(context, count, 32768, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = x[i] > 0 ? x[i] : 0.0f;
  });
}

template <>
template <>
void Relu<Device::cpu>::backward(Context& context, int64_t count, const float* grad_y, const float* y,
                                 float* grad_x) {
  parallel_for(context, count, 32768, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float grad = grad_y[i];  // read always: a conditional load would become a branch
      grad_x[i] = y[i] > 0 ? grad : 0.0f;
    }
  });
}

}  // namespace saccade
