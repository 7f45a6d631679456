#include "kernels/activation/log_softmax.h"

#include <cmath>

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"
#include "kernels/common/vector_math.h"

namespace saccade {

template <>
template <class T>
void LogSoftmax<Device::cpu>::forward(Context& context, int64_t rows, int64_t columns, const T* x, T* y) {
  for_each_row(context, rows, columns, [=](int64_t r) {
    const T* in = x + r * columns;
    T* out = y + r * columns;
    const float best = largest(in, columns);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < columns; ++c) sum += exp_vector(float(in[c]) - best);
    const float normalizer = std::log(sum);
    for (int64_t c = 0; c < columns; ++c) out[c] = float(in[c]) - best - normalizer;
  });
}
template void LogSoftmax<Device::cpu>::forward(Context&, int64_t, int64_t, const float*, float*);
template void LogSoftmax<Device::cpu>::forward(Context&, int64_t, int64_t, const bf16*, bf16*);

template <>
template <class T>
void LogSoftmax<Device::cpu>::backward(Context& context, int64_t rows, int64_t columns, const T* grad_y,
                                       const T* y, T* grad_x) {
  for_each_row(context, rows, columns, [=](int64_t r) {
    const T *grad = grad_y + r * columns, *value = y + r * columns;
    T* out = grad_x + r * columns;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < columns; ++c) sum += float(grad[c]);
    for (int64_t c = 0; c < columns; ++c) out[c] = float(grad[c]) - exp_vector(float(value[c])) * sum;
  });
}
template void LogSoftmax<Device::cpu>::backward(Context&, int64_t, int64_t, const float*, const float*,
                                                float*);
template void LogSoftmax<Device::cpu>::backward(Context&, int64_t, int64_t, const bf16*, const bf16*, bf16*);

}  // namespace saccade
