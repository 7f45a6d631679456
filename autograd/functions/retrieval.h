// Ranking. No gradient goes through it.
#pragma once

#include "autograd/tape.h"

namespace saccade {

struct Best {
  Tensor values, indices;  // [rows,k], indices i64
};

// The k largest or smallest of each row of x [rows,columns], in order (kernels/retrieval/topk.h). With
// `pieces` > 1 the columns stream by in that many pieces, the last one first: the same result.
Best topk(Tape& tape, const Tensor& x, int64_t k, bool largest, int64_t pieces = 1);

}  // namespace saccade
