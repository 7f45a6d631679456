#include "kernels/activation/log_softmax.h"

#include <cmath>

#include "kernels/common/parallel.h"
#include "kernels/common/vector_math.h"

namespace saccade {

template <>
template <>
void LogSoftmax<Device::cpu>::forward(Context& context, int64_t rows, int64_t columns, const float* x,
                                      float* y) {
  for_each_row(context, rows, columns, [=](int64_t r) {
    const float* in = x + r * columns;
    float* out = y + r * columns;
    const float best = largest(in, columns);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < columns; ++c) sum += exp_vector(in[c] - best);
    const float normalizer = std::log(sum);
    for (int64_t c = 0; c < columns; ++c) out[c] = in[c] - best - normalizer;
  });
}

template <>
template <>
void LogSoftmax<Device::cpu>::backward(Context& context, int64_t rows, int64_t columns, const float* grad_y,
                                       const float* y, float* grad_x) {
  for_each_row(context, rows, columns, [=](int64_t r) {
    const float *grad = grad_y + r * columns, *value = y + r * columns;
    float* out = grad_x + r * columns;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < columns; ++c) sum += grad[c];
    for (int64_t c = 0; c < columns; ++c) out[c] = grad[c] - exp_vector(value[c]) * sum;
  });
}

}  // namespace saccade
