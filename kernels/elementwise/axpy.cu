#include "kernels/elementwise/axpy.h"

#include "kernels/common/map.h"

namespace saccade {

namespace {
struct AddScaled {
  float a;
  __device__ float operator()(float x, float y) const { return y + a * x; }
};
}  // namespace

template <>
template <class T>
void Axpy<kGpu>::accumulate(Context& context, int64_t count, double a, const T* x, T* y) {
  map(context, count, y, AddScaled{static_cast<float>(a)}, x, y);
}
template void Axpy<kGpu>::accumulate(Context&, int64_t, double, const float*, float*);
template void Axpy<kGpu>::accumulate(Context&, int64_t, double, const bf16*, bf16*);

}  // namespace saccade
