// Where a network's precision begins and ends.
#pragma once

#include "autograd/tape.h"

namespace saccade {

// x in another type, f32 or bf16; its gradient comes back in the type of x. x itself if it has that type already.
Variable cast(Tape& tape, const Variable& x, DType dtype);

// x in the precision of the tape's context: f32 becomes bf16 where that is the precision, all else stays.
Variable in_precision(Tape& tape, const Variable& x);

// bf16 becomes f32, all else stays: what losses and statistics are computed in.
Variable in_f32(Tape& tape, const Variable& x);

}  // namespace saccade
