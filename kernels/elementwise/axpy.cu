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
template <>
void Axpy<kGpu>::accumulate(Context& context, int64_t count, double a, const float* x, float* y) {
  map(context, count, y, AddScaled{static_cast<float>(a)}, x, y);
}
template <>
template <>
void Axpy<kGpu>::accumulate(Context& context, int64_t count, double a, const bf16* x, bf16* y) {
  map(context, count, y, AddScaled{static_cast<float>(a)}, x, y);
}

}  // namespace saccade
