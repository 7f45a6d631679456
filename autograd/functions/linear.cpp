#include "autograd/functions/linear.h"

#include "kernels/activation/relu.ref.h"
#include "kernels/elementwise/sum.ref.h"
#include "kernels/matmul/matmul.ref.h"

namespace saccade {

namespace {

// Adds op(a) op(b) to the gradient of x.
void add_product(Tape& t, const Variable& x, MatmulShape shape, const Tensor& a, const Tensor& b) {
  if (!x.needs_gradient()) return;
  const Tape::Target target = t.gradient_of(x);
  shape.accumulate = target.accumulate;
  dispatch(t.context(), x.dtype(), [&]<Device D, class T>() {
    Matmul<D>::multiply(t.context(), shape, a.data<T>(), b.data<T>(), static_cast<T*>(nullptr),
                        target.tensor.data<T>());
  });
}

// grad_b[j] = sum over i of grad[i,j].
void add_column_sums(Tape& t, const Variable& b, const Tensor& grad) {
  if (!b.needs_gradient()) return;
  const Tensor sums = t.empty({grad.size(1)}, grad.dtype());
  dispatch(t.context(), grad.dtype(), [&]<Device D, class T>() {
    Sum<D>::forward(t.context(), 1, grad.size(0), grad.size(1), 1.0, grad.data<T>(), sums.data<T>());
  });
  t.add_gradient(b, sums);
}

}  // namespace

Variable linear(Tape& tape, const Variable& x, const Variable& w, const Variable* b, bool relu) {
  tape.begin("linear");
  check_input(x.shape().rank() == 2 && w.shape().rank() == 2 && x.shape()[1] == w.shape()[1], "linear: x ",
              x.shape().text(), " and weight ", w.shape().text(), " do not fit [N,I] and [O,I]");
  check_input(!b || b->shape() == Shape{w.shape()[0]}, "linear: the bias does not have shape [O]");
  const int64_t n = x.shape()[0], i = x.shape()[1], o = w.shape()[0];
  const Tensor y = tape.empty({n, o}, x.dtype());
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    Matmul<D>::multiply(tape.context(), {n, o, i, false, true, relu}, x.value.data<T>(), w.value.data<T>(),
                        b ? b->value.data<T>() : static_cast<T*>(nullptr), y.data<T>());
  });
  const Variable bias = b ? *b : Variable();
  const auto backward = [n, i, o, relu, x, w, bias, xs = Saved(x.value), ws = Saved(w.value),
                         ys = Saved(relu ? y : Tensor())](Tape& t, const Tensor& grad_y) {
    Tensor grad = grad_y;  // d loss / d (x w^T + b)
    if (relu) {
      grad = t.empty_like(grad_y);
      dispatch(t.context(), grad.dtype(), [&]<Device D, class T>() {
        Relu<D>::backward(t.context(), grad.count(), grad_y.data<T>(), ys.data<T>(), grad.data<T>());
      });
    }
    add_product(t, x, {n, i, o}, grad, ws.get());
    add_product(t, w, {o, i, n, true}, grad, xs.get());
    add_column_sums(t, bias, grad);
  };
  return tape.record(y, {&x, &w, &bias}, backward);
}

Variable matmul(Tape& tape, const Variable& a, const Variable& b) {
  tape.begin("matmul");
  check_input(a.shape().rank() == 2 && b.shape().rank() == 2 && a.shape()[1] == b.shape()[0], "matmul: a ",
              a.shape().text(), " and b ", b.shape().text(), " do not fit [m,k] and [k,n]");
  const int64_t m = a.shape()[0], k = a.shape()[1], n = b.shape()[1];
  const Tensor c = tape.empty({m, n}, a.dtype());
  dispatch(tape.context(), a.dtype(), [&]<Device D, class T>() {
    Matmul<D>::multiply(tape.context(), {m, n, k}, a.value.data<T>(), b.value.data<T>(),
                        static_cast<T*>(nullptr), c.data<T>());
  });
  return tape.record(c, {&a, &b},
                     [m, n, k, a, b, as = Saved(a.value), bs = Saved(b.value)](Tape& t, const Tensor& grad) {
                       add_product(t, a, {m, k, n, false, true}, grad, bs.get());
                       add_product(t, b, {k, n, m, true}, as.get(), grad);
                     });
}

}  // namespace saccade
