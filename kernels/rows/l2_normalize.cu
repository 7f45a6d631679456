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

template <class T>
void forward_on_gpu(Context& context, int64_t rows, int64_t columns, double epsilon, const T* x, T* y,
                    float* norm) {
  if (context.kernels == Kernels::plain) {
    check_element<T>(context);
    return each(context, rows, PlainL2Normalize<T>{columns, static_cast<float>(epsilon), x, y, norm});
  }
  for_rows(context, rows, columns, y, Forward<T>{static_cast<float>(epsilon), y, norm}, x);
}

template <class T>
void backward_on_gpu(Context& context, int64_t rows, int64_t columns, double epsilon, const T* grad_y,
                     const T* y, const float* norm, T* grad_x) {
  for_rows(context, rows, columns, grad_x, Backward<T>{static_cast<float>(epsilon), norm, grad_x}, grad_y, y);
}

}  // namespace

template <>
template <>
void L2Normalize<kGpu>::forward(Context& context, int64_t rows, int64_t columns, double epsilon,
                                const float* x, float* y, float* norm) {
  forward_on_gpu(context, rows, columns, epsilon, x, y, norm);
}
template <>
template <>
void L2Normalize<kGpu>::forward(Context& context, int64_t rows, int64_t columns, double epsilon,
                                const bf16* x, bf16* y, float* norm) {
  forward_on_gpu(context, rows, columns, epsilon, x, y, norm);
}

template <>
template <>
void L2Normalize<kGpu>::backward(Context& context, int64_t rows, int64_t columns, double epsilon,
                                 const float* grad_y, const float* y, const float* norm, float* grad_x) {
  backward_on_gpu(context, rows, columns, epsilon, grad_y, y, norm, grad_x);
}
template <>
template <>
void L2Normalize<kGpu>::backward(Context& context, int64_t rows, int64_t columns, double epsilon,
                                 const bf16* grad_y, const bf16* y, const float* norm, bf16* grad_x) {
  backward_on_gpu(context, rows, columns, epsilon, grad_y, y, norm, grad_x);
}

}  // namespace saccade
