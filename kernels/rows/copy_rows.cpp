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

}  // namespace saccade
