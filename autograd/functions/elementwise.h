// Elementwise arithmetic with the broadcasts that are used, reductions, and dropout.
#pragma once

#include "autograd/tape.h"
#include "kernels/elementwise/broadcast.h"

namespace saccade {

// a + b and a * b. b has a's shape, or a's with some sizes 1 (leading ones may be left out), as long as the dimensions
// that it repeats over are neighbors: a bias [C], a gate [N,1,1,C], a map [N,H,W,1], or a scalar [1].
Variable add(Tape& tape, const Variable& a, const Variable& b);
Variable mul(Tape& tape, const Variable& a, const Variable& b);
// a - b and a / b, of one shape.
Variable sub(Tape& tape, const Variable& a, const Variable& b);
Variable div(Tape& tape, const Variable& a, const Variable& b);

// factor * x for a constant factor. A factor that changes from step to step is a tensor [1]: mul.
Variable scale(Tape& tape, const Variable& x, double factor);

// The dimensions that a reduction runs over: all -> [1]; the last -> the shape without it; all but the last -> [C].
enum class Over { all, last, leading };
Variable sum(Tape& tape, const Variable& x, Over over = Over::all);
Variable mean(Tape& tape, const Variable& x, Over over = Over::all);

// Zero with probability p, else x / (1 - p). Draws from tape.random; 0 <= p < 1.
Variable dropout(Tape& tape, const Variable& x, double p);

// How b spreads over x; InputError naming `op` where it does not.
BroadcastShape broadcast_shape(const char* op, const Shape& x, const Shape& b);

// A tensor like x with `value` in every element: it takes no gradient.
Tensor filled_like(Tape& tape, const Tensor& x, double value);

}  // namespace saccade
