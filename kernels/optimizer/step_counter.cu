#include "kernels/optimizer/step_counter.h"

#include "kernels/common/launch.h"

namespace saccade {

namespace {

__global__ void advance_step(const float* guard, int64_t* step) {
  if (!is_stopped(guard)) ++*step;
}

}  // namespace

template <>
void StepCounter<kGpu>::advance(Context& context, const float* guard, int64_t* step) {
  launch(advance_step, 1, 1, 0, context.stream(), guard, step);
}

}  // namespace saccade
