// Matrix products on the tape.
#pragma once

#include "autograd/tape.h"
#include "kernels/common/matrix_view.h"

namespace saccade {

// y = act(x w^T + b).  x [..., I], w [O,I], b [O] or null -> y [..., O]; act is ReLU when `relu`.
Variable linear(Tape& tape, const Variable& x, const Variable& w, const Variable* b, bool relu = false);

// C = op(A) op(B) for each matrix of equal leading dimensions; op transposes where it is asked to.
// a [..., m,k] (or [..., k,m]), b [..., k,n] (or [..., n,k]) -> c [..., m,n].
Variable matmul(Tape& tape, const Variable& a, const Variable& b, bool transpose_a = false,
                bool transpose_b = false);

// A variable as a batch of matrices that lie in it. Products read them, and write their gradients, where they
// are; several views of one variable add to one gradient.
struct Matrices {
  Variable of;
  MatrixView view;
};

// x [B, T, parts * heads * width]: matrix (b, h) [T, width] is head h of part `part`. A fused projection to
// queries, keys and values has three parts.
Matrices heads_of(const Variable& x, int64_t heads, int64_t part = 0, int64_t parts = 1);

// The matrices of x [B, H, m, n].
Matrices matrices_of(const Variable& x);

Matrices transposed(const Matrices& matrices);

// C[b,h] = alpha * A[b,h] B[b,h].  A(b,h) [m,k], B(b,h) [k,n] -> c [B,H,m,n].
Variable matmul(Tape& tape, const Matrices& a, const Matrices& b, double alpha = 1);

// The same with the heads side by side again: c [B, m, H * n].
Variable matmul_to_heads(Tape& tape, const Matrices& a, const Matrices& b, double alpha = 1);

}  // namespace saccade
