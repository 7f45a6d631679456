// Small help for functions.
#pragma once

#include "autograd/tape.h"

namespace saccade {

// The variable without its value: what a backward keeps of an input whose value it doesn't read, so that the
// memory can go.
inline Variable slot_of(const Variable& x) {
  return {Tensor(), x.slot};
}

}  // namespace saccade
