// y = value in every element: the registry's fill. y [count]. Floor: s E bytes.
#pragma once

#include "kernels/common/bf16.h"
#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct SetAll {
  template <class T>
  static void to(Context&, int64_t count, double value, T* y);

  static Floor floor(int64_t count, int element_bytes) {
    return {static_cast<double>(element_bytes) * static_cast<double>(count), 0};
  }
};

}  // namespace saccade
