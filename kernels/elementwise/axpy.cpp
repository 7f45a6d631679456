#include "kernels/elementwise/axpy.h"

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"

namespace saccade {

template <>
template <class T>
void Axpy<Device::cpu>::accumulate(Context& context, int64_t count, double a, const T* x, T* y) {
  const float factor = static_cast<float>(a);
  parallel_for(context, count, 16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = float(y[i]) + factor * float(x[i]);
  });
}
template void Axpy<Device::cpu>::accumulate(Context&, int64_t, double, const float*, float*);
template void Axpy<Device::cpu>::accumulate(Context&, int64_t, double, const bf16*, bf16*);

}  // namespace saccade
