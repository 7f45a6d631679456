// y = x or y += x from one floating type to another, f32 or bf16. Rounding is to nearest, ties to even;
// sums are taken in f32. x, y [count], of different types or the same; y may not alias x. Floor: each
// element read and written once.
#pragma once

#include "kernels/common/bf16.h"
#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct Cast {
  template <class From, class To>
  static void convert(Context&, int64_t count, const From* x, To* y);

  // y += x: gradients that arrive in bf16 are added up in f32.
  template <class From, class To>
  static void accumulate(Context&, int64_t count, const From* x, To* y);

  static Floor floor(int64_t count, int from_bytes, int to_bytes) {
    return {static_cast<double>(from_bytes + to_bytes) * static_cast<double>(count), 0};
  }
};

}  // namespace saccade
