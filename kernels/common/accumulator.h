// The type in which sums over T are kept: f32 for bf16, T itself for all others.
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
