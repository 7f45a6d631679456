#include "kernels/elementwise/axpy.h"

#include "kernels/common/parallel.h"

namespace saccade {

template <>
template <>
void Axpy<Device::cpu>::accumulate(Context& context, int64_t count, double a, const float* x, float* y) {
  const float factor = static_cast<float>(a);
  parallel_for(context, count, 16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] += factor * x[i];
  });
}

}  // namespace saccade
