#include "kernels/rows/copy_rows.h"

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"

namespace saccade {

template <>
template <class T>
void CopyRows<Device::cpu>::join(Context& context, int64_t rows, const std::vector<Columns<const T>>& parts,
                                 T* y) {
  const int64_t width = total_width(parts);
  parallel_for(context, rows, 16384 / (width + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      T* to = y + r * width;
      for (const auto& part : parts)
        to = part.data ? std::copy_n(part.data + r * part.width, part.width, to)
                       : std::fill_n(to, part.width, T(0));
    }
  });
}
template void CopyRows<Device::cpu>::join(Context&, int64_t, const std::vector<Columns<const float>>&,
                                          float*);
template void CopyRows<Device::cpu>::join(Context&, int64_t, const std::vector<Columns<const bf16>>&, bf16*);

template <>
template <class T>
void CopyRows<Device::cpu>::cut(Context& context, int64_t rows, const T* x,
                                const std::vector<Columns<T>>& parts) {
  const int64_t width = total_width(parts);
  parallel_for(context, rows, 16384 / (width + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const T* from = x + r * width;
      for (const auto& part : parts) {
        if (part.data) std::copy_n(from, part.width, part.data + r * part.width);
        from += part.width;
      }
    }
  });
}
template void CopyRows<Device::cpu>::cut(Context&, int64_t, const float*, const std::vector<Columns<float>>&);
template void CopyRows<Device::cpu>::cut(Context&, int64_t, const bf16*, const std::vector<Columns<bf16>>&);

}  // namespace saccade
