// Matrix products on the tape.
#pragma once

#include "autograd/tape.h"

namespace saccade {

// y = act(x w^T + b).  x [N,I], w [O,I], b [O] or null -> y [N,O]; act is ReLU when `relu`.
Variable linear(Tape& tape, const Variable& x, const Variable& w, const Variable* b, bool relu = false);

// C = A B.  A [m,k], B [k,n] -> C [m,n].
Variable matmul(Tape& tape, const Variable& a, const Variable& b);

}  // namespace saccade
