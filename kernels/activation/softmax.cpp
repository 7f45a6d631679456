#include "kernels/activation/softmax.h"

#include <limits>
#include <type_traits>

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"
#include "kernels/common/vector_math.h"

namespace saccade {

template <>
template <class T>
void Softmax<Device::cpu>::forward(Context& context, int64_t rows, int64_t columns, const T* x, T* y) {
  for_each_row(context, rows, columns, [=](int64_t r) {
    const T* in = x + r * columns;
    T* out = y + r * columns;
    const float best = largest(in, columns);
    if (best == -std::numeric_limits<float>::infinity()) {
      std::fill(out, out + columns, T(0));
      return;
    }
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < columns; ++c) {
      const float e = exp_vector(float(in[c]) - best);
      if constexpr (std::is_same_v<T, float>) out[c] = e;
      sum += e;
    }
    const float scale = 1.0f / sum;
    if constexpr (std::is_same_v<T, float>) {
      for (int64_t c = 0; c < columns; ++c) out[c] *= scale;
    } else {
#pragma omp simd  // out would have rounded e; it may be in itself, but never a shifted one
      for (int64_t c = 0; c < columns; ++c) out[c] = exp_vector(float(in[c]) - best) * scale;
    }
  });
}
template void Softmax<Device::cpu>::forward(Context&, int64_t, int64_t, const float*, float*);
template void Softmax<Device::cpu>::forward(Context&, int64_t, int64_t, const bf16*, bf16*);

template <>
template <class T>
void Softmax<Device::cpu>::backward(Context& context, int64_t rows, int64_t columns, const T* grad_y,
                                    const T* y, T* grad_x) {
  for_each_row(context, rows, columns, [=](int64_t r) {
    const T *grad = grad_y + r * columns, *value = y + r * columns;
    T* out = grad_x + r * columns;
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t c = 0; c < columns; ++c) dot += float(grad[c]) * float(value[c]);
    for (int64_t c = 0; c < columns; ++c) out[c] = float(value[c]) * (float(grad[c]) - dot);
  });
}
template void Softmax<Device::cpu>::backward(Context&, int64_t, int64_t, const float*, const float*, float*);
template void Softmax<Device::cpu>::backward(Context&, int64_t, int64_t, const bf16*, const bf16*, bf16*);

}  // namespace saccade
