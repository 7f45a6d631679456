#include "autograd/functions/distance.h"

#include "autograd/functions/common.h"
#include "kernels/metric/pairwise_distance.ref.h"

namespace saccade {

Variable pairwise_distance(Tape& tape, const Variable& x, const Variable& y, Metric metric) {
  tape.begin("pairwise_distance");
  check_input(x.shape().rank() == 2 && y.shape().rank() == 2 && x.shape()[1] == y.shape()[1],
              "pairwise_distance: x ", x.shape().text(), " and y ", y.shape().text(),
              " do not fit [N,D] and [M,D]");
  const int64_t n = x.shape()[0], m = y.shape()[0], dim = x.shape()[1];
  const Tensor d = tape.empty({n, m}, x.dtype());
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    PairwiseDistance<D>::forward(tape.context(), metric, n, m, dim, x.value.data<T>(), y.value.data<T>(),
                                 d.data<T>());
  });
  const auto backward = [=, x_slot = slot_of(x), y_slot = slot_of(y), xs = Saved(x.value),
                         ys = Saved(y.value), ds = Saved(d)](Tape& t, const Tensor& grad_d) {
    const auto add = [&](const Variable& input, const Tensor& own, const Tensor& other, bool transposed) {
      if (!input.needs_gradient()) return;
      const Tensor grad = t.empty_like(own);
      dispatch(t.context(), grad.dtype(), [&]<Device D, class T>() {
        PairwiseDistance<D>::backward(t.context(), metric, transposed, own.size(0), other.size(0), dim,
                                      own.data<T>(), other.data<T>(), ds.data<T>(), grad_d.data<T>(),
                                      grad.data<T>());
      });
      t.add_gradient(input, grad);
    };
    add(x_slot, xs.get(), ys.get(), false);
    add(y_slot, ys.get(), xs.get(), true);
  };
  return tape.record(d, {&x, &y}, backward);
}

}  // namespace saccade
