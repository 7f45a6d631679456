#include "autograd/functions/linear.h"

#include <algorithm>

#include "autograd/functions/common.h"
#include "kernels/activation/relu.ref.h"
#include "kernels/elementwise/set_all.ref.h"
#include "kernels/elementwise/sum.ref.h"
#include "kernels/matmul/batched_matmul.ref.h"
#include "kernels/matmul/matmul.ref.h"

namespace saccade {

namespace {

// A tensor and the matrices of it that take part in a product.
struct Operand {
  const Tensor& tensor;
  MatrixView view;
};

// One pair of dense matrices, for which Matmul has more kernels.
bool is_dense_pair(const BatchedMatmulShape& s) {
  const auto is_dense = [](const MatrixView& view) { return view.offset == 0 && view.pitch == view.columns; };
  return s.batch() == 1 && s.alpha == 1 && is_dense(s.a) && is_dense(s.b) && is_dense(s.c);
}

void multiply(Context& context, const BatchedMatmulShape& s, const Tensor& a, const Tensor& b,
              const Tensor& c) {
  dispatch(context, c.dtype(), [&]<Device D, class T>() {
    if (is_dense_pair(s))
      Matmul<D>::multiply(context, {s.m(), s.n(), s.k(), s.a.transposed, s.b.transposed, false, s.accumulate},
                          a.data<T>(), b.data<T>(), static_cast<T*>(nullptr), c.data<T>());
    else
      BatchedMatmul<D>::multiply(context, s, a.data<T>(), b.data<T>(), c.data<T>());
  });
}

// Adds alpha * a b to the gradient of x, in the matrices that `to` shows.
void add_product(Tape& t, const Variable& x, const MatrixView& to, const Operand& a, const Operand& b,
                 double alpha = 1) {
  if (!x.needs_gradient()) return;
  // C^T = B^T A^T: a product writes no transposed matrices.
  if (to.transposed)
    return add_product(t, x, transposed(to), {b.tensor, transposed(b.view)}, {a.tensor, transposed(a.view)},
                       alpha);
  const Tape::Target target = t.gradient_of(x);
  const Tensor& grad = target.tensor;
  if (!target.accumulate && to.count() < grad.count())  // what the view does not show
    dispatch(t.context(), grad.dtype(),
             [&]<Device D, class T>() { SetAll<D>::to(t.context(), grad.count(), 0.0, grad.data<T>()); });
  multiply(t.context(), {a.view, b.view, to, alpha, target.accumulate}, a.tensor, b.tensor, grad);
}

// grad_b[j] = sum over i of grad[i,j].
void add_column_sums(Tape& t, const Variable& b, const Tensor& grad) {
  if (!b.needs_gradient()) return;
  const Tensor sums = t.empty({grad.size(-1)}, grad.dtype());
  dispatch(t.context(), grad.dtype(), [&]<Device D, class T>() {
    Sum<D>::forward(t.context(), 1, grad.shape().rows(), grad.size(-1), 1.0, grad.data<T>(), sums.data<T>());
  });
  t.add_gradient(b, sums);
}

// The shape with its last sizes replaced.
Shape with_last(const Shape& shape, std::initializer_list<int64_t> last) {
  std::vector<int64_t> sizes(shape.begin(), shape.end() - last.size());
  sizes.insert(sizes.end(), last);
  return Shape(sizes);
}

// A value that the gradient of another variable needs.
Saved saved_for(const Variable& other, const Tensor& value) {
  return Saved(other.needs_gradient() ? value : Tensor());
}

// c, of `shape`, in the matrices that `of_c` shows: all of it.
Variable product(Tape& tape, const Matrices& a, const Matrices& b, double alpha, const Shape& shape,
                 const MatrixView& of_c) {
  const Tensor c = tape.empty(shape, a.of.dtype());
  multiply(tape.context(), {a.view, b.view, of_c, alpha}, a.of.value, b.of.value, c);
  return tape.record(
      c, {&a.of, &b.of},
      [to_a = slot_of(a.of), to_b = slot_of(b.of), of_a = a.view, of_b = b.view, of_c, alpha,
       as = saved_for(b.of, a.of.value), bs = saved_for(a.of, b.of.value)](Tape& t, const Tensor& grad) {
        add_product(t, to_a, of_a, {grad, of_c}, {bs.get(), transposed(of_b)}, alpha);
        add_product(t, to_b, of_b, {as.get(), transposed(of_a)}, {grad, of_c}, alpha);
      });
}

void check_fit(const Matrices& a, const Matrices& b) {
  const MatrixView &x = a.view, &y = b.view;
  check_input(x.width() == y.height() && x.outer.count == y.outer.count && x.inner.count == y.inner.count,
              "matmul: ", x.outer.count, " x ", x.inner.count, " matrices of ", x.height(), " x ", x.width(),
              " and ", y.outer.count, " x ", y.inner.count, " of ", y.height(), " x ", y.width(),
              " do not fit each other");
  for (const Matrices* one : {&a, &b})
    check(one->view.end() <= one->of.value.count(), "matmul: a view reaches beyond its tensor of shape ",
          one->of.shape().text());
}

}  // namespace

Variable linear(Tape& tape, const Variable& x, const Variable& w, const Variable* b, bool relu) {
  tape.begin("linear");
  check_input(x.shape().rank() >= 2 && w.shape().rank() == 2 && x.shape()[-1] == w.shape()[1], "linear: x ",
              x.shape().text(), " and weight ", w.shape().text(), " do not fit [...,I] and [O,I]");
  check_input(!b || b->shape() == Shape{w.shape()[0]}, "linear: the bias does not have shape [O]");
  const int64_t n = x.shape().rows(), i = w.shape()[1], o = w.shape()[0];
  const Tensor y = tape.empty(with_last(x.shape(), {o}), x.dtype());
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    Matmul<D>::multiply(tape.context(), {n, o, i, false, true, relu}, x.value.data<T>(), w.value.data<T>(),
                        b ? b->value.data<T>() : static_cast<T*>(nullptr), y.data<T>());
  });
  const Variable bias = b ? slot_of(*b) : Variable();
  const auto backward = [n, i, o, relu, bias, to_x = slot_of(x), to_w = slot_of(w),
                         xs = saved_for(w, x.value), ws = saved_for(x, w.value),
                         ys = Saved(relu ? y : Tensor())](Tape& t, const Tensor& grad_y) {
    Tensor grad = grad_y;  // d loss / d (x w^T + b)
    if (relu) {
      grad = t.empty_like(grad_y);
      dispatch(t.context(), grad.dtype(), [&]<Device D, class T>() {
        Relu<D>::backward(t.context(), grad.count(), grad_y.data<T>(), ys.data<T>(), grad.data<T>());
      });
    }
    const Operand of_y{grad, dense_matrices(1, 1, n, o)};
    const MatrixView of_x = dense_matrices(1, 1, n, i), of_w = dense_matrices(1, 1, o, i);
    add_product(t, to_x, of_x, of_y, {ws.get(), of_w});
    add_product(t, to_w, of_w, {grad, transposed(of_y.view)}, {xs.get(), of_x});
    add_column_sums(t, bias, grad);
  };
  return tape.record(y, {&x, &w, &bias}, backward);
}

Variable matmul(Tape& tape, const Variable& a, const Variable& b, bool transpose_a, bool transpose_b) {
  tape.begin("matmul");
  const Shape &of_a = a.shape(), &of_b = b.shape();
  const int rank = of_a.rank();
  check_input(rank >= 2 && of_b.rank() == rank && std::equal(of_a.begin(), of_a.end() - 2, of_b.begin()),
              "matmul: a ", of_a.text(), " and b ", of_b.text(), " have other leading dimensions");
  const int64_t batch = of_a.count_before(rank - 2);
  const auto matrices = [batch](const Variable& x, bool transpose) {
    MatrixView view = dense_matrices(batch, 1, x.shape()[-2], x.shape()[-1]);
    view.transposed = transpose;
    return Matrices{x, view};
  };
  const Matrices left = matrices(a, transpose_a), right = matrices(b, transpose_b);
  check_fit(left, right);
  const int64_t m = left.view.height(), n = right.view.width();
  return product(tape, left, right, 1, with_last(of_a, {m, n}), dense_matrices(batch, 1, m, n));
}

Matrices heads_of(const Variable& x, int64_t heads, int64_t part, int64_t parts) {
  const Shape& s = x.shape();
  check_input(s.rank() == 3 && heads > 0 && 0 <= part && part < parts && s[2] % (parts * heads) == 0,
              "heads_of: ", s.text(), " is not [B,T,", parts, "*", heads, "*width]");
  const int64_t columns = s[2] / parts;
  return {x, matrices_of_heads(s[0], s[1], s[2], part * columns, heads, columns / heads)};
}

Matrices matrices_of(const Variable& x) {
  const Shape& s = x.shape();
  check_input(s.rank() == 4, "matrices_of: ", s.text(), " is not [B,H,m,n]");
  return {x, dense_matrices(s[0], s[1], s[2], s[3])};
}

Matrices transposed(const Matrices& matrices) {
  return {matrices.of, transposed(matrices.view)};
}

Variable matmul(Tape& tape, const Matrices& a, const Matrices& b, double alpha) {
  tape.begin("matmul");
  check_fit(a, b);
  const int64_t samples = a.view.outer.count, heads = a.view.inner.count, m = a.view.height(),
                n = b.view.width();
  return product(tape, a, b, alpha, {samples, heads, m, n}, dense_matrices(samples, heads, m, n));
}

Variable matmul_to_heads(Tape& tape, const Matrices& a, const Matrices& b, double alpha) {
  tape.begin("matmul");
  check_fit(a, b);
  const int64_t samples = a.view.outer.count, heads = a.view.inner.count, m = a.view.height(),
                n = b.view.width();
  return product(tape, a, b, alpha, {samples, m, heads * n},
                 matrices_of_heads(samples, m, heads * n, 0, heads, n));
}

}  // namespace saccade
