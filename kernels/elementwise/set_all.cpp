#include "kernels/elementwise/set_all.h"

#include <algorithm>

namespace saccade {

template <>
template <class T>
void SetAll<Device::cpu>::to(Context&, int64_t count, double value, T* y) {
  std::fill_n(y, count, T(static_cast<float>(value)));
}
template void SetAll<Device::cpu>::to(Context&, int64_t, double, float*);
template void SetAll<Device::cpu>::to(Context&, int64_t, double, bf16*);

}  // namespace saccade
