#include "autograd/functions/activation.h"

#include "autograd/functions/common.h"
#include "kernels/activation/gelu.ref.h"
#include "kernels/activation/log_softmax.ref.h"
#include "kernels/activation/relu.ref.h"
#include "kernels/activation/sigmoid.ref.h"
#include "kernels/activation/softmax.ref.h"
#include "kernels/activation/tanh.ref.h"

namespace saccade {

Variable relu(Tape& tape, const Variable& x) {
  tape.begin("relu");
  const Tensor y = tape.empty_like(x.value);
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    Relu<D>::forward(tape.context(), y.count(), x.value.data<T>(), y.data<T>());
  });
  return tape.record(y, {&x}, [x = slot_of(x), y = Saved(y)](Tape& t, const Tensor& grad_y) {
    const Tensor grad_x = t.empty_like(grad_y);
    dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
      Relu<D>::backward(t.context(), grad_x.count(), grad_y.data<T>(), y.data<T>(), grad_x.data<T>());
    });
    t.add_gradient(x, grad_x);
  });
}

Variable sigmoid(Tape& tape, const Variable& x) {
  tape.begin("sigmoid");
  const Tensor y = tape.empty_like(x.value);
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    Sigmoid<D>::forward(tape.context(), y.count(), x.value.data<T>(), y.data<T>());
  });
  return tape.record(y, {&x}, [x = slot_of(x), y = Saved(y)](Tape& t, const Tensor& grad_y) {
    const Tensor grad_x = t.empty_like(grad_y);
    dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
      Sigmoid<D>::backward(t.context(), grad_x.count(), grad_y.data<T>(), y.data<T>(), grad_x.data<T>());
    });
    t.add_gradient(x, grad_x);
  });
}

Variable tanh(Tape& tape, const Variable& x) {
  tape.begin("tanh");
  const Tensor y = tape.empty_like(x.value);
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    Tanh<D>::forward(tape.context(), y.count(), x.value.data<T>(), y.data<T>());
  });
  return tape.record(y, {&x}, [x = slot_of(x), y = Saved(y)](Tape& t, const Tensor& grad_y) {
    const Tensor grad_x = t.empty_like(grad_y);
    dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
      Tanh<D>::backward(t.context(), grad_x.count(), grad_y.data<T>(), y.data<T>(), grad_x.data<T>());
    });
    t.add_gradient(x, grad_x);
  });
}

Variable gelu(Tape& tape, const Variable& x) {
  tape.begin("gelu");
  const Tensor y = tape.empty_like(x.value);
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    Gelu<D>::forward(tape.context(), y.count(), x.value.data<T>(), y.data<T>());
  });
  return tape.record(y, {&x}, [x = slot_of(x), value = Saved(x.value)](Tape& t, const Tensor& grad_y) {
    const Tensor grad_x = t.empty_like(grad_y);
    dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
      Gelu<D>::backward(t.context(), grad_x.count(), grad_y.data<T>(), value.data<T>(), grad_x.data<T>());
    });
    t.add_gradient(x, grad_x);
  });
}

namespace {
int64_t columns_of(const char* op, const Shape& x) {
  check_input(x.rank() >= 1 && x[-1] >= 1, op, ": x of shape ", x.text(),
              " has no last dimension to run over");
  return x[-1];
}
}  // namespace

Variable softmax(Tape& tape, const Variable& x) {
  tape.begin("softmax");
  const int64_t columns = columns_of("softmax", x.shape()), rows = x.shape().rows();
  const Tensor y = tape.empty_like(x.value);
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    Softmax<D>::forward(tape.context(), rows, columns, x.value.data<T>(), y.data<T>());
  });
  return tape.record(y, {&x}, [=, x = slot_of(x), y = Saved(y)](Tape& t, const Tensor& grad_y) {
    const Tensor grad_x = t.empty_like(grad_y);
    dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
      Softmax<D>::backward(t.context(), rows, columns, grad_y.data<T>(), y.data<T>(), grad_x.data<T>());
    });
    t.add_gradient(x, grad_x);
  });
}

Variable log_softmax(Tape& tape, const Variable& x) {
  tape.begin("log_softmax");
  const int64_t columns = columns_of("log_softmax", x.shape()), rows = x.shape().rows();
  const Tensor y = tape.empty_like(x.value);
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    LogSoftmax<D>::forward(tape.context(), rows, columns, x.value.data<T>(), y.data<T>());
  });
  return tape.record(y, {&x}, [=, x = slot_of(x), y = Saved(y)](Tape& t, const Tensor& grad_y) {
    const Tensor grad_x = t.empty_like(grad_y);
    dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
      LogSoftmax<D>::backward(t.context(), rows, columns, grad_y.data<T>(), y.data<T>(), grad_x.data<T>());
    });
    t.add_gradient(x, grad_x);
  });
}

}  // namespace saccade
