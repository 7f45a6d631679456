#include "kernels/activation/softmax.h"

#include <limits>

#include "kernels/common/parallel.h"
#include "kernels/common/vector_math.h"

namespace saccade {

template <>
template <>
void Softmax<Device::cpu>::forward(Context& context, int64_t rows, int64_t columns, const float* x,
                                   float* y) {
  for_each_row(context, rows, columns, [=](int64_t r) {
    const float* in = x + r * columns;
    float* out = y + r * columns;
    const float best = largest(in, columns);
    if (best == -std::numeric_limits<float>::infinity()) {
      std::fill(out, out + columns, 0.0f);
      return;
    }
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < columns; ++c) {
      const float e = exp_vector(in[c] - best);
      out[c] = e;
      sum += e;
    }
    const float scale = 1.0f / sum;
    for (int64_t c = 0; c < columns; ++c) out[c] *= scale;
  });
}

template <>
template <>
void Softmax<Device::cpu>::backward(Context& context, int64_t rows, int64_t columns, const float* grad_y,
                                    const float* y, float* grad_x) {
  for_each_row(context, rows, columns, [=](int64_t r) {
    const float *grad = grad_y + r * columns, *value = y + r * columns;
    float* out = grad_x + r * columns;
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t c = 0; c < columns; ++c) dot += grad[c] * value[c];
    for (int64_t c = 0; c < columns; ++c) out[c] = value[c] * (grad[c] - dot);
  });
}

}  // namespace saccade
