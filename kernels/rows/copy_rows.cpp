#include "kernels/rows/copy_rows.h"

#include "kernels/common/parallel.h"

namespace saccade {

template <>
template <>
void CopyRows<Device::cpu>::join(Context& context, int64_t rows,
                                 const std::vector<Columns<const float>>& parts, float* y) {
  const int64_t width = total_width(parts);
  parallel_for(context, rows, 16384 / (width + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      float* to = y + r * width;
      for (const auto& part : parts)
        to = part.data ? std::copy_n(part.data + r * part.width, part.width, to)
                       : std::fill_n(to, part.width, 0.0f);
    }
  });
}

template <>
template <>
void CopyRows<Device::cpu>::cut(Context& context, int64_t rows, const float* x,
                                const std::vector<Columns<float>>& parts) {
  const int64_t width = total_width(parts);
  parallel_for(context, rows, 16384 / (width + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* from = x + r * width;
      for (const auto& part : parts) {
        if (part.data) std::copy_n(from, part.width, part.data + r * part.width);
        from += part.width;
      }
    }
  });
}

}  // namespace saccade
