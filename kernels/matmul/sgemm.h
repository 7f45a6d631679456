// Single-precision matrix product on raw row-major memory of the CPU, with row pitches: for code that streams
// blocks of a larger matrix. (The registered op, with its epilogue, is matmul.h.)
//
//   C[i,j] = alpha * sum over l < k of op(A)[i,l] * op(B)[l,j] + beta * C[i,j]
//
// op(A) [m,k]: A itself, or the transpose of A [k,m] when trans_a; op(B) [k,n] likewise. lda, ldb, ldc are
// row pitches in elements. With beta = 0 C is not read. C may overlap neither A nor B. m, n or k of 0 is
// allowed. Sums are in f32. Called inside a parallel_for it runs on the caller's thread alone, and the bits
// of C then depend on the sizes only. Floor: A, B and C once, 2 m n k operations.
#pragma once

#include "kernels/common/context.h"

namespace saccade {

void sgemm(Context&, bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
           int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc);

}  // namespace saccade
