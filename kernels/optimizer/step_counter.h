// *step += 1, unless *guard is not finite (kernels/optimizer/parameter_span.h). guard may be null.
#pragma once

#include "kernels/optimizer/parameter_span.h"

namespace saccade {

template <Device D>
struct StepCounter {
  static void advance(Context&, const float* guard, int64_t* step);

  static Floor floor() { return {20, 1}; }  // the guard is read, the count is read and written
};

}  // namespace saccade
