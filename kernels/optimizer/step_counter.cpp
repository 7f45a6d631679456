#include "kernels/optimizer/step_counter.h"

namespace saccade {

template <>
void StepCounter<Device::cpu>::advance(Context&, const float* guard, int64_t* step) {
  if (!is_stopped(guard)) ++*step;
}

}  // namespace saccade
