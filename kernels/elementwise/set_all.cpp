#include "kernels/elementwise/set_all.h"

#include <algorithm>

namespace saccade {

template <>
template <>
void SetAll<Device::cpu>::to(Context&, int64_t count, double value, float* y) {
  std::fill_n(y, count, static_cast<float>(value));
}

}  // namespace saccade
