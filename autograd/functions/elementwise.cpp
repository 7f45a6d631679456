#include "autograd/functions/elementwise.h"

#include "autograd/functions/common.h"
#include "kernels/elementwise/arithmetic.ref.h"
#include "kernels/elementwise/broadcast.ref.h"
#include "kernels/elementwise/dropout.ref.h"
#include "kernels/elementwise/set_all.ref.h"
#include "kernels/elementwise/sum.ref.h"

namespace saccade {

BroadcastShape broadcast_shape(const char* op, const Shape& x, const Shape& b) {
  if (b.count() == 1) return {1, x.count(), 1};
  const int missing = x.rank() - b.rank();
  bool fits = missing >= 0;
  int first = -1, last = -2;  // the dimensions that b repeats over
  for (int d = 0; fits && d < x.rank(); ++d) {
    const int64_t size = d < missing ? 1 : b[d - missing];
    fits = size == x[d] || size == 1;
    if (size == x[d]) continue;
    if (first < 0) first = d;
    last = d;
  }
  BroadcastShape s;
  for (int d = 0; fits && d < x.rank(); ++d) {
    const bool between = d >= first && d <= last;
    fits = !between || x[d] == 1 || d < missing || b[d - missing] == 1;
    (first < 0 || d < first ? s.outer : between ? s.repeated : s.inner) *= x[d];
  }
  check_input(fits, op, ": a tensor of shape ", b.text(), " does not spread over one of shape ", x.text());
  return s;
}

namespace {
void check_same(const char* op, const Variable& a, const Variable& b) {
  check_input(a.shape() == b.shape(), op, ": shapes ", a.shape().text(), " and ", b.shape().text(),
              " differ");
}

Tensor product(Tape& t, const Tensor& a, const Tensor& b) {
  const Tensor y = t.empty_like(a);
  dispatch(t.context(), a.dtype(), [&]<Device D, class T>() {
    Arithmetic<D>::multiply(t.context(), y.count(), a.data<T>(), b.data<T>(), y.data<T>());
  });
  return y;
}

Tensor scaled(Tape& t, const Tensor& x, double factor) {
  const Tensor y = t.empty_like(x);
  dispatch(t.context(), x.dtype(), [&]<Device D, class T>() {
    Arithmetic<D>::scale(t.context(), y.count(), factor, x.data<T>(), y.data<T>());
  });
  return y;
}

Variable add_broadcast(Tape& tape, const Variable& a, const Variable& b) {
  const BroadcastShape s = broadcast_shape("add", a.shape(), b.shape());
  const Tensor y = tape.empty_like(a.value);
  dispatch(tape.context(), a.dtype(), [&]<Device D, class T>() {
    Broadcast<D>::add(tape.context(), s, a.value.data<T>(), b.value.data<T>(), y.data<T>());
  });
  return tape.record(y, {&a, &b},
                     [s, a = slot_of(a), b = slot_of(b), shape = b.shape()](Tape& t, const Tensor& grad_y) {
                       if (b.needs_gradient()) {
                         const Tensor grad_b = t.empty(shape, grad_y.dtype());
                         dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
                           Sum<D>::forward(t.context(), s.outer, s.repeated, s.inner, 1.0, grad_y.data<T>(),
                                           grad_b.data<T>());
                         });
                         t.add_gradient(b, grad_b);
                       }
                       t.add_gradient(a, grad_y);
                     });
}

Variable mul_broadcast(Tape& tape, const Variable& a, const Variable& b) {
  const BroadcastShape s = broadcast_shape("mul", a.shape(), b.shape());
  const Tensor y = tape.empty_like(a.value);
  dispatch(tape.context(), a.dtype(), [&]<Device D, class T>() {
    Broadcast<D>::multiply(tape.context(), s, a.value.data<T>(), b.value.data<T>(), y.data<T>());
  });
  return tape.record(y, {&a, &b},
                     [s, a = slot_of(a), b = slot_of(b), x = Saved(a.value), factor = Saved(b.value)](
                         Tape& t, const Tensor& grad_y) {
                       const Tensor grad_a = a.needs_gradient() ? t.empty_like(grad_y) : Tensor();
                       const Tensor grad_b = b.needs_gradient() ? t.empty_like(factor.get()) : Tensor();
                       dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
                         if (grad_a && grad_b)
                           return Sum<D>::product_gradients(t.context(), s.outer, s.repeated, s.inner,
                                                            grad_y.data<T>(), x.data<T>(), factor.data<T>(),
                                                            grad_a.data<T>(), grad_b.data<T>());
                         if (grad_a)
                           Broadcast<D>::multiply(t.context(), s, grad_y.data<T>(), factor.data<T>(),
                                                  grad_a.data<T>());
                         if (grad_b)
                           Sum<D>::of_products(t.context(), s.outer, s.repeated, s.inner, grad_y.data<T>(),
                                               x.data<T>(), grad_b.data<T>());
                       });
                       if (grad_a) t.add_gradient(a, grad_a);
                       if (grad_b) t.add_gradient(b, grad_b);
                     });
}
}  // namespace

Variable add(Tape& tape, const Variable& a, const Variable& b) {
  tape.begin("add");
  if (!(a.shape() == b.shape())) return add_broadcast(tape, a, b);
  const Tensor y = tape.empty_like(a.value);
  dispatch(tape.context(), a.dtype(), [&]<Device D, class T>() {
    Arithmetic<D>::add(tape.context(), y.count(), a.value.data<T>(), b.value.data<T>(), y.data<T>());
  });
  return tape.record(y, {&a, &b}, [a = slot_of(a), b = slot_of(b)](Tape& t, const Tensor& grad_y) {
    t.add_gradient(a, grad_y);
    t.add_gradient(b, grad_y);
  });
}

Variable sub(Tape& tape, const Variable& a, const Variable& b) {
  tape.begin("sub");
  check_same("sub", a, b);
  const Tensor y = tape.empty_like(a.value);
  dispatch(tape.context(), a.dtype(), [&]<Device D, class T>() {
    Arithmetic<D>::subtract(tape.context(), y.count(), a.value.data<T>(), b.value.data<T>(), y.data<T>());
  });
  return tape.record(y, {&a, &b}, [a = slot_of(a), b = slot_of(b)](Tape& t, const Tensor& grad_y) {
    t.add_gradient(a, grad_y);
    if (b.needs_gradient()) t.add_gradient(b, scaled(t, grad_y, -1.0));
  });
}

Variable mul(Tape& tape, const Variable& a, const Variable& b) {
  tape.begin("mul");
  if (!(a.shape() == b.shape())) return mul_broadcast(tape, a, b);
  const Tensor y = product(tape, a.value, b.value);
  return tape.record(y, {&a, &b},
                     [a = slot_of(a), b = slot_of(b), x = Saved(a.value), factor = Saved(b.value)](
                         Tape& t, const Tensor& grad_y) {
                       if (!a.needs_gradient()) return t.add_gradient(b, product(t, grad_y, x.get()));
                       if (!b.needs_gradient()) return t.add_gradient(a, product(t, grad_y, factor.get()));
                       const Tensor grad_a = t.empty_like(grad_y), grad_b = t.empty_like(grad_y);
                       dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
                         Arithmetic<D>::multiply_gradients(t.context(), grad_y.count(), grad_y.data<T>(),
                                                           x.data<T>(), factor.data<T>(), grad_a.data<T>(),
                                                           grad_b.data<T>());
                       });
                       t.add_gradient(a, grad_a);
                       t.add_gradient(b, grad_b);
                     });
}

Variable div(Tape& tape, const Variable& a, const Variable& b) {
  tape.begin("div");
  check_same("div", a, b);
  const Tensor y = tape.empty_like(a.value);
  dispatch(tape.context(), a.dtype(), [&]<Device D, class T>() {
    Arithmetic<D>::divide(tape.context(), y.count(), a.value.data<T>(), b.value.data<T>(), y.data<T>());
  });
  return tape.record(
      y, {&a, &b},
      [a = slot_of(a), b = slot_of(b), y = Saved(y), divisor = Saved(b.value)](Tape& t,
                                                                               const Tensor& grad_y) {
        const Tensor grad_a = a.needs_gradient() ? t.empty_like(grad_y) : Tensor();
        const Tensor grad_b = b.needs_gradient() ? t.empty_like(grad_y) : Tensor();
        dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
          const int64_t count = grad_y.count();
          if (grad_a && grad_b)
            return Arithmetic<D>::divide_gradients(t.context(), count, grad_y.data<T>(), y.data<T>(),
                                                   divisor.data<T>(), grad_a.data<T>(), grad_b.data<T>());
          if (grad_a)
            Arithmetic<D>::divide(t.context(), count, grad_y.data<T>(), divisor.data<T>(), grad_a.data<T>());
          if (grad_b)
            Arithmetic<D>::divide_gradient(t.context(), count, grad_y.data<T>(), y.data<T>(),
                                           divisor.data<T>(), grad_b.data<T>());
        });
        if (grad_a) t.add_gradient(a, grad_a);
        if (grad_b) t.add_gradient(b, grad_b);
      });
}

Variable scale(Tape& tape, const Variable& x, double factor) {
  tape.begin("scale");
  return tape.record(scaled(tape, x.value, factor), {&x},
                     [x = slot_of(x), factor](Tape& t, const Tensor& grad_y) {
                       t.add_gradient(x, scaled(t, grad_y, factor));
                     });
}

namespace {
Variable reduced(Tape& tape, const Variable& x, Over over, bool averaged) {
  const Shape& shape = x.shape();
  check_input(over == Over::all || shape.rank() >= 1, tape.context().current_op, ": x has no dimension");
  const int64_t rows = shape.rows(), columns = shape.rank() ? shape[-1] : 1;
  BroadcastShape s{1, shape.count(), 1};
  Shape to{1};
  if (over == Over::last) {
    s = {rows, columns, 1};
    to = Shape(std::vector<int64_t>(shape.begin(), shape.end() - 1));
  } else if (over == Over::leading) {
    s = {1, rows, columns};
    to = {columns};
  }
  check_input(!averaged || s.repeated > 0, tape.context().current_op, ": the mean over no element of ",
              shape.text());
  const double factor = averaged ? 1.0 / static_cast<double>(s.repeated) : 1.0;
  const Tensor y = tape.empty(to, x.dtype());
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    Sum<D>::forward(tape.context(), s.outer, s.repeated, s.inner, factor, x.value.data<T>(), y.data<T>());
  });
  return tape.record(y, {&x}, [=, x = slot_of(x)](Tape& t, const Tensor& grad_y) {
    const Tensor grad_x = t.empty(shape, grad_y.dtype());
    dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
      Sum<D>::backward(t.context(), s.outer, s.repeated, s.inner, factor, grad_y.data<T>(), grad_x.data<T>());
    });
    t.add_gradient(x, grad_x);
  });
}
}  // namespace

Variable sum(Tape& tape, const Variable& x, Over over) {
  tape.begin("sum");
  return reduced(tape, x, over, false);
}

Variable mean(Tape& tape, const Variable& x, Over over) {
  tape.begin("mean");
  return reduced(tape, x, over, true);
}

Variable dropout(Tape& tape, const Variable& x, double p) {
  tape.begin("dropout");
  check_input(p >= 0 && p < 1, "dropout: p = ", p, " is not in [0, 1)");
  check(static_cast<bool>(tape.random), "dropout: the tape has no random state");
  const uint32_t stream = tape.stream++;
  const auto apply = [p, stream, random = tape.random](Tape& t, const Tensor& from) {
    const Tensor to = t.empty_like(from);
    dispatch(t.context(), from.dtype(), [&]<Device D, class T>() {
      Dropout<D>::apply(t.context(), to.count(), p, random.data<int64_t>(), stream, from.data<T>(),
                        to.data<T>());
    });
    return to;
  };
  // The mask is drawn again: the state must still be the one of forward.
  return tape.record(apply(tape, x.value), {&x},
                     [apply, x = slot_of(x), state = Saved(tape.random)](Tape& t, const Tensor& grad_y) {
                       state.get();
                       t.add_gradient(x, apply(t, grad_y));
                     });
}

Tensor filled_like(Tape& tape, const Tensor& x, double value) {
  tape.begin("fill");
  const Tensor y = tape.empty_like(x);
  dispatch(tape.context(), x.dtype(),
           [&]<Device D, class T>() { SetAll<D>::to(tape.context(), y.count(), value, y.data<T>()); });
  return y;
}

}  // namespace saccade
