#include "autograd/functions/activation.h"

#include "kernels/activation/relu.ref.h"

namespace saccade {

Variable relu(Tape& tape, const Variable& x) {
  tape.begin("relu");
  const Tensor y = tape.empty_like(x.value);
  dispatch_cpu(tape.context(), x.dtype(), [&]<Device D, class T>() {
    Relu<D>::forward(tape.context(), y.count(), x.value.data<T>(), y.data<T>());
  });
  return tape.record(y, {&x}, [x, y = Saved(y)](Tape& t, const Tensor& grad_y) {
    const Tensor grad_x = t.empty_like(grad_y);
    dispatch_cpu(t.context(), x.dtype(), [&]<Device D, class T>() {
      Relu<D>::backward(t.context(), grad_x.count(), grad_y.data<T>(), y.data<T>(), grad_x.data<T>());
    });
    t.add_gradient(x, grad_x);
  });
}

}  // namespace saccade
