#include "autograd/functions/pooling.h"

#include "autograd/functions/common.h"
#include "kernels/pool/average_pool2d.ref.h"
#include "kernels/pool/global_average_pool.ref.h"
#include "kernels/pool/max_pool2d.ref.h"

namespace saccade {

namespace {
Window window_over(const char* op, const Shape& x, int64_t kernel, int64_t stride, int64_t padding) {
  check_input(x.rank() == 4, op, ": x has shape ", x.text(), ", not [N,H,W,C]");
  const Window window{x[0], x[1], x[2], x[3], kernel, stride, padding};
  window.validate(op);
  return window;
}
Shape output_of(const Window& w) {
  return {w.batch, w.out_height(), w.out_width(), w.channels};
}
}  // namespace

Variable max_pool2d(Tape& tape, const Variable& x, int64_t kernel, int64_t stride, int64_t padding) {
  tape.begin("max_pool2d");
  const Window w = window_over("max_pool2d", x.shape(), kernel, stride, padding);
  const Tensor y = tape.empty(output_of(w), x.dtype()), tap = tape.empty(y.shape(), DType::u8);
  dispatch_cpu(tape.context(), x.dtype(), [&]<Device D, class T>() {
    MaxPool2d<D>::forward(tape.context(), w, x.value.data<T>(), y.data<T>(), tap.data<uint8_t>());
  });
  return tape.record(
      y, {&x}, [x = slot_of(x), shape = x.shape(), w, tap = Saved(tap)](Tape& t, const Tensor& grad_y) {
        const Tensor grad_x = t.empty(shape, grad_y.dtype());
        dispatch_cpu(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
          MaxPool2d<D>::backward(t.context(), w, grad_y.data<T>(), tap.data<uint8_t>(), grad_x.data<T>());
        });
        t.add_gradient(x, grad_x);
      });
}

Variable average_pool2d(Tape& tape, const Variable& x, int64_t kernel, int64_t stride, int64_t padding) {
  tape.begin("average_pool2d");
  const Window w = window_over("average_pool2d", x.shape(), kernel, stride, padding);
  const Tensor y = tape.empty(output_of(w), x.dtype());
  dispatch_cpu(tape.context(), x.dtype(), [&]<Device D, class T>() {
    AveragePool2d<D>::forward(tape.context(), w, x.value.data<T>(), y.data<T>());
  });
  return tape.record(y, {&x}, [x = slot_of(x), shape = x.shape(), w](Tape& t, const Tensor& grad_y) {
    const Tensor grad_x = t.empty(shape, grad_y.dtype());
    dispatch_cpu(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
      AveragePool2d<D>::backward(t.context(), w, grad_y.data<T>(), grad_x.data<T>());
    });
    t.add_gradient(x, grad_x);
  });
}

Variable global_average_pool(Tape& tape, const Variable& x) {
  tape.begin("global_average_pool");
  check_input(x.shape().rank() >= 2, "global_average_pool: x has shape ", x.shape().text(),
              ", not [N,...,C]");
  const int64_t batch = x.shape()[0], channels = x.shape()[-1];
  int64_t positions = 1;
  for (int d = 1; d + 1 < x.shape().rank(); ++d) positions *= x.shape()[d];
  check_input(positions >= 1, "global_average_pool: x of shape ", x.shape().text(), " has no position");
  const Tensor y = tape.empty({batch, channels}, x.dtype());
  dispatch_cpu(tape.context(), x.dtype(), [&]<Device D, class T>() {
    GlobalAveragePool<D>::forward(tape.context(), batch, positions, channels, x.value.data<T>(), y.data<T>());
  });
  return tape.record(y, {&x}, [=, x = slot_of(x), shape = x.shape()](Tape& t, const Tensor& grad_y) {
    const Tensor grad_x = t.empty(shape, grad_y.dtype());
    dispatch_cpu(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
      GlobalAveragePool<D>::backward(t.context(), batch, positions, channels, grad_y.data<T>(),
                                     grad_x.data<T>());
    });
    t.add_gradient(x, grad_x);
  });
}

}  // namespace saccade
