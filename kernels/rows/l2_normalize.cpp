#include "kernels/rows/l2_normalize.h"

#include <cmath>

#include "kernels/common/parallel.h"
#include "kernels/common/vector_math.h"

namespace saccade {

template <>
template <class T>
void L2Normalize<Device::cpu>::forward(Context& context, int64_t rows, int64_t columns, double epsilon,
                                       const T* x, T* y, Accumulator<T>* norm) {
  parallel_for(context, rows, 8192 / (columns + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const T* in = x + r * columns;
      T* out = y + r * columns;
      const float sum = sum_over(columns, [&](int64_t c) { return float(in[c]) * float(in[c]); });
      const float length = std::sqrt(sum), clamp = static_cast<float>(epsilon);
      norm[r] = length > clamp ? length : clamp;
      const float scale = 1.0f / norm[r];
      for (int64_t c = 0; c < columns; ++c) out[c] = float(in[c]) * scale;
    }
  });
}
template void L2Normalize<Device::cpu>::forward(Context&, int64_t, int64_t, double, const float*, float*,
                                                float*);
template void L2Normalize<Device::cpu>::forward(Context&, int64_t, int64_t, double, const bf16*, bf16*,
                                                float*);

template <>
template <class T>
void L2Normalize<Device::cpu>::backward(Context& context, int64_t rows, int64_t columns, double epsilon,
                                        const T* grad_y, const T* y, const Accumulator<T>* norm, T* grad_x) {
  parallel_for(context, rows, 8192 / (columns + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const T *grad = grad_y + r * columns, *value = y + r * columns;
      T* out = grad_x + r * columns;
      float dot = sum_over(columns, [&](int64_t c) { return float(grad[c]) * float(value[c]); });
      if (!(norm[r] > static_cast<float>(epsilon))) dot = 0;
      const float scale = 1.0f / norm[r];
      for (int64_t c = 0; c < columns; ++c) out[c] = (float(grad[c]) - float(value[c]) * dot) * scale;
    }
  });
}
template void L2Normalize<Device::cpu>::backward(Context&, int64_t, int64_t, double, const float*,
                                                 const float*, const float*, float*);
template void L2Normalize<Device::cpu>::backward(Context&, int64_t, int64_t, double, const bf16*, const bf16*,
                                                 const float*, bf16*);

}  // namespace saccade
