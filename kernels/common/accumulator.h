// The type that sums over T are kept in: sums over bf16 accumulate in fp32, all others in their own type.
#pragma once

#include "kernels/common/bf16.h"

namespace saccade {

template <class T>
struct AccumulatorOf {
  using type = T;
};
template <>
struct AccumulatorOf<bf16> {
  using type = float;
};
template <class T>
using Accumulator = typename AccumulatorOf<T>::type;

}  // namespace saccade
