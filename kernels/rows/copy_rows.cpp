#include "kernels/rows/copy_rows.h"

#include "kernels/common/parallel.h"

namespace saccade {

template <>
template <>
void CopyRows<Device::cpu>::copy(Context& context, int64_t rows, int64_t width, const float* x,
                                 int64_t x_pitch, float* y, int64_t y_pitch) {
  parallel_for(context, rows, 16384 / (width + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) std::copy_n(x + r * x_pitch, width, y + r * y_pitch);
  });
}

template <>
template <>
void CopyRows<Device::cpu>::pad(Context& context, int64_t rows, int64_t width, const float* x, int64_t begin,
                                float* y, int64_t y_width) {
  parallel_for(context, rows, 16384 / (y_width + 1) + 1, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      float* slice = std::fill_n(y + r * y_width, begin, 0.0f);
      std::fill(std::copy_n(x + r * width, width, slice), y + (r + 1) * y_width, 0.0f);
    }
  });
}

}  // namespace saccade
