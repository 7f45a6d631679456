#include "kernels/rows/l2_normalize.h"

#include "kernels/common/row.h"
#include "kernels/rows/l2_normalize.plain.h"

namespace saccade {

namespace {

template <class T>
struct Forward {
  float epsilon;
  T* y;
  float* norm;

  template <class Row>
  __device__ void operator()(const Row& row, int64_t index) const {
    const float length = sqrtf(row.reduce(
        0.0f, [](float x) { return x * x; }, Add()));
    const float clamped = length > epsilon ? length : epsilon;
    if (threadIdx.x == 0) norm[index] = clamped;
    const float scale = 1.0f / clamped;
    row.write(y, [=](float x) { return x * scale; });
  }
};

template <class T>
struct Backward {
  float epsilon;
  const float* norm;
  T* grad_x;

  template <class Row>
  __device__ void operator()(const Row& row, int64_t index) const {
    const float length = norm[index], scale = 1.0f / length;
    const float dot = row.reduce(
        0.0f, [](float grad_y, float y) { return grad_y * y; }, Add());
    const float along = length > epsilon ? dot : 0.0f;
    row.write(grad_x, [=](float grad_y, float y) { return (grad_y - y * along) * scale; });
  }
};

}  // namespace

template <>
template <class T>
void L2Normalize<kGpu>::forward(Context& context, int64_t rows, int64_t columns, double epsilon, const T* x,
                                T* y, Accumulator<T>* norm) {
  if (context.kernels == Kernels::plain) {
    check_element<T>(context);
    return each(context, rows, PlainL2Normalize<T>{columns, static_cast<float>(epsilon), x, y, norm});
  }
  for_rows(context, rows, columns, y, Forward<T>{static_cast<float>(epsilon), y, norm}, x);
}
template void L2Normalize<kGpu>::forward(Context&, int64_t, int64_t, double, const float*, float*, float*);
template void L2Normalize<kGpu>::forward(Context&, int64_t, int64_t, double, const bf16*, bf16*, float*);

template <>
template <class T>
void L2Normalize<kGpu>::backward(Context& context, int64_t rows, int64_t columns, double epsilon,
                                 const T* grad_y, const T* y, const Accumulator<T>* norm, T* grad_x) {
  for_rows(context, rows, columns, grad_x, Backward<T>{static_cast<float>(epsilon), norm, grad_x}, grad_y, y);
}
template void L2Normalize<kGpu>::backward(Context&, int64_t, int64_t, double, const float*, const float*,
                                          const float*, float*);
template void L2Normalize<kGpu>::backward(Context&, int64_t, int64_t, double, const bf16*, const bf16*,
                                          const float*, bf16*);

}  // namespace saccade
