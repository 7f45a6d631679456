#include "kernels/rows/l2_normalize.h"

#include <cmath>

#include "kernels/common/parallel.h"
#include "kernels/common/vector_math.h"

namespace saccade {

template <>
template <>
void L2Normalize<Device::cpu>::forward(Context& context, int64_t rows, int64_t columns, double epsilon,
                                       const float* x, float* y, float* norm) {
  parallel_for(context, rows, 8192 / (columns + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* in = x + r * columns;
      float* out = y + r * columns;
      const float sum = sum_over(columns, [&](int64_t c) { return in[c] * in[c]; });
      const float length = std::sqrt(sum), clamp = static_cast<float>(epsilon);
      norm[r] = length > clamp ? length : clamp;
      const float scale = 1.0f / norm[r];
      for (int64_t c = 0; c < columns; ++c) out[c] = in[c] * scale;
    }
  });
}

template <>
template <>
void L2Normalize<Device::cpu>::backward(Context& context, int64_t rows, int64_t columns, double epsilon,
                                        const float* grad_y, const float* y, const float* norm,
                                        float* grad_x) {
  parallel_for(context, rows, 8192 / (columns + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float *grad = grad_y + r * columns, *value = y + r * columns;
      float* out = grad_x + r * columns;
      float dot = sum_over(columns, [&](int64_t c) { return grad[c] * value[c]; });
      if (!(norm[r] > static_cast<float>(epsilon))) dot = 0;
      const float scale = 1.0f / norm[r];
      for (int64_t c = 0; c < columns; ++c) out[c] = (grad[c] - value[c] * dot) * scale;
    }
  });
}

}  // namespace saccade
