// Products of batches of matrices that lie in larger tensors, such as the heads of an attention.
//
//   C[b] = alpha * A[b] B[b]  (+ C[b] before, when `accumulate`)
//
// A[b] [m,k], B[b] [k,n] and C[b] [m,n] are read and written through views, A and B transposed where their
// view says so, C never. Sums are in f32, and alpha multiplies a finished sum. What the view of C does
// not show stays as it is. Matrices of A and of B may overlap (a stride of 0 repeats one); those of C may
// not, and C may overlap neither A nor B. Views that do not fit each other are an Error.
//
// On CUDA, cuBLASLt computes where it can (kernels/matmul/cublaslt.h) and our own kernels elsewhere;
// Context::kernels chooses. cuBLASLt takes one call where the matrices of the batch are equally far apart,
// else one for each step along the shorter dimension of the batch. Ours take one launch, and at most 65535
// matrices. simt runs our own. On the CPU, threads share the batch, or each matrix where there are few.
// Floor: the elements of A, B and C once, 2 m n k operations a matrix.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"
#include "kernels/common/matrix_view.h"

namespace saccade {

struct BatchedMatmulShape {
  MatrixView a, b, c;
  double alpha = 1;
  bool accumulate = false;

  int64_t m() const { return c.rows; }
  int64_t n() const { return c.columns; }
  int64_t k() const { return a.width(); }
  int64_t batch() const { return c.batch(); }

  void check_fit() const {
    check(!c.transposed && a.height() == m() && b.height() == k() && b.width() == n(), "a product of ",
          a.height(), " x ", a.width(), " and ", b.height(), " x ", b.width(), " does not fit ", m(), " x ",
          n());
    for (const MatrixView* view : {&a, &b, &c})
      check(view->pitch >= view->columns, "a row pitch of ", view->pitch, " for rows of ", view->columns);
    check(same_batch(a) && same_batch(b), "the operands of a batched product are not equally many");
  }

 private:
  bool same_batch(const MatrixView& view) const {
    return view.outer.count == c.outer.count && view.inner.count == c.inner.count;
  }
};

template <Device D>
struct BatchedMatmul {
  template <class T>
  static void multiply(Context&, const BatchedMatmulShape&, const T* a, const T* b, T* c);

  static Floor floor(const BatchedMatmulShape& s, int element_bytes) {
    return {static_cast<double>(element_bytes) * static_cast<double>(s.a.count() + s.b.count() + s.c.count()),
            2.0 * static_cast<double>(s.c.count() * s.k())};
  }
};

}  // namespace saccade
