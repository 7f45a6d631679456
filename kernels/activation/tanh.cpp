#include "kernels/activation/tanh.h"

#include "kernels/common/parallel.h"
#include "kernels/common/vector_math.h"

namespace saccade {

template <>
template <>
void Tanh<Device::cpu>::forward(Context& context, int64_t count, const float* x, float* y) {
  parallel_for(context, count, 16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = tanh_vector(x[i]);
  });
}

template <>
template <>
void Tanh<Device::cpu>::backward(Context& context, int64_t count, const float* grad_y, const float* y,
                                 float* grad_x) {
  parallel_for(context, count, 16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) grad_x[i] = grad_y[i] * (1.0f - y[i] * y[i]);
  });
}

}  // namespace saccade
