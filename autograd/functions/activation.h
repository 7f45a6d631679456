// Elementwise activations.
#pragma once

#include "autograd/tape.h"

namespace saccade {

// y = max(x, 0).
Variable relu(Tape& tape, const Variable& x);

}  // namespace saccade
