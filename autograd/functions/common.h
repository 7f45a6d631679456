// Small help for functions.
#pragma once

#include <vector>

#include "autograd/tape.h"

namespace saccade {

// The variable without its value: what a backward keeps of an input whose value it doesn't read, so that the
// memory can go.
inline Variable slot_of(const Variable& x) {
  return {Tensor(), x.slot, x.tape};
}

// The values on the host, as the tables that it makes of tensors hold them.
inline std::vector<float> floats(Context& context, const Tensor& tensor) {
  return converted(context, tensor, DType::f32).to_host<float>(context);
}

}  // namespace saccade
