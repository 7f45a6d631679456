// What softmax.cu and log_softmax.cu share: one kernel for each direction, and the launchers, for both element types.
// `logarithm` says which of the two ops it is.
#pragma once

#include "kernels/activation/softmax.plain.h"
#include "kernels/common/row.h"

namespace saccade {
inline namespace SACCADE_TARGET {

template <class T, bool logarithm>
struct SoftmaxForward {
  T* y;

  template <class Row>
  __device__ void operator()(const Row& row, int64_t) const {
    const float best = row.reduce(
        -INFINITY, [](float x) { return x; }, Max());
    const bool masked = !logarithm && best == -INFINITY;  // a row of -infinity alone gives zeros, not NaN
    const float shift = masked ? 0.0f : best;
    const float sum = row.reduce(
        0.0f, [=](float x) { return exp_for<T>(x - shift); }, Add());
    if constexpr (logarithm) {
      const float normalizer = logf(sum);
      row.write(y, [=](float x) { return x - shift - normalizer; });
    } else {
      const float scale = masked ? 0.0f : 1.0f / sum;
      row.write(y, [=](float x) { return exp_for<T>(x - shift) * scale; });
    }
  }
};

template <class T, bool logarithm>
struct SoftmaxBackward {
  T* grad_x;

  template <class Row>
  __device__ void operator()(const Row& row, int64_t) const {
    const float sum = row.reduce(
        0.0f, [](float grad_y, float y) { return logarithm ? grad_y : grad_y * y; }, Add());
    row.write(grad_x, [=](float grad_y, float y) {
      return logarithm ? grad_y - exp_for<T>(y) * sum : y * (grad_y - sum);
    });
  }
};

template <bool logarithm, class T>
void softmax_forward(Context& context, int64_t rows, int64_t columns, const T* x, T* y) {
  check_element<T>(context);
  if (context.kernels == Kernels::plain)
    return each(context, rows, PlainSoftmax<T, logarithm>{columns, x, y});
  for_rows(context, rows, columns, y, SoftmaxForward<T, logarithm>{y}, x);
}

template <bool logarithm, class T>
void softmax_backward(Context& context, int64_t rows, int64_t columns, const T* grad_y, const T* y,
                      T* grad_x) {
  for_rows(context, rows, columns, grad_x, SoftmaxBackward<T, logarithm>{grad_x}, grad_y, y);
}

}  // namespace SACCADE_TARGET
}  // namespace saccade
