#include "kernels/activation/log_softmax.h"

#include "kernels/activation/softmax.plain.h"
#include "kernels/common/row.h"

namespace saccade {

namespace {

template <class T>
struct Forward {
  T* y;

  template <class Row>
  __device__ void operator()(const Row& row, int64_t) const {
    const float best = row.reduce(
        -INFINITY, [](float x) { return x; }, Max());
    const float sum = row.reduce(
        0.0f, [=](float x) { return exp_for<T>(x - best); }, Add());
    const float normalizer = logf(sum);
    row.write(y, [=](float x) { return x - best - normalizer; });
  }
};

template <class T>
struct Backward {
  T* grad_x;

  template <class Row>
  __device__ void operator()(const Row& row, int64_t) const {
    const float sum = row.reduce(
        0.0f, [](float grad_y, float) { return grad_y; }, Add());
    row.write(grad_x, [=](float grad_y, float y) { return grad_y - exp_for<T>(y) * sum; });
  }
};

}  // namespace

template <>
template <class T>
void LogSoftmax<kGpu>::forward(Context& context, int64_t rows, int64_t columns, const T* x, T* y) {
  check_element<T>(context);
  if (context.kernels == Kernels::plain) return each(context, rows, PlainSoftmax<T, true>{columns, x, y});
  for_rows(context, rows, columns, y, Forward<T>{y}, x);
}
template void LogSoftmax<kGpu>::forward(Context&, int64_t, int64_t, const float*, float*);
template void LogSoftmax<kGpu>::forward(Context&, int64_t, int64_t, const bf16*, bf16*);

template <>
template <class T>
void LogSoftmax<kGpu>::backward(Context& context, int64_t rows, int64_t columns, const T* grad_y, const T* y,
                                T* grad_x) {
  for_rows(context, rows, columns, grad_x, Backward<T>{grad_x}, grad_y, y);
}
template void LogSoftmax<kGpu>::backward(Context&, int64_t, int64_t, const float*, const float*, float*);
template void LogSoftmax<kGpu>::backward(Context&, int64_t, int64_t, const bf16*, const bf16*, bf16*);

}  // namespace saccade
