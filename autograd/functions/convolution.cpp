#include "autograd/functions/convolution.h"

#include "autograd/functions/common.h"
#include "kernels/convolution/conv2d.ref.h"
#include "kernels/convolution/conv2d_cpu.h"

namespace saccade {

Conv2dShape conv2d_shape(const Shape& xs, const Shape& ws, const ConvolutionOptions& o) {
  check_input(xs.rank() == 4 && ws.rank() == 4 && xs[3] == ws[3], "conv2d: x ", xs.text(), " and weight ",
              ws.text(), " do not fit [N,H,W,C] and [K,R,S,C]");
  check_input(o.stride_h > 0 && o.stride_w > 0 && o.pad_h >= 0 && o.pad_w >= 0 && ws[1] > 0 && ws[2] > 0 &&
                  xs[1] + 2 * o.pad_h >= ws[1] && xs[2] + 2 * o.pad_w >= ws[2],
              "conv2d: a ", ws[1], "x", ws[2], " filter does not fit x ", xs.text(),
              " with this stride and padding");
  return {xs[0], xs[1], xs[2], xs[3], ws[0], ws[1], ws[2], o.stride_h, o.stride_w, o.pad_h, o.pad_w};
}

Variable conv2d(Tape& tape, const Variable& x, const Variable& weight, const Variable* bias,
                const ConvolutionOptions& options, ColumnSums* sums) {
  tape.begin("conv2d");
  const Shape &xs = x.shape(), &ws = weight.shape();
  const Conv2dShape d = conv2d_shape(xs, ws, options);
  check_input(!bias || (bias->shape() == Shape{ws[0]}), "conv2d: the bias has shape ",
              bias ? bias->shape().text() : "", ", not [K]");

  const Tensor y = tape.empty({d.n, d.p(), d.q(), d.k}, x.dtype());
  const uint64_t keep = weight.needs_gradient() ? 0 : weight.value.version();
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    const T* b = bias ? bias->value.data<T>() : nullptr;
    if constexpr (D == Device::cpu && std::is_same_v<T, float>) {
      Finish finish;
      finish.b = b;
      if (sums) {
        sums->resize(static_cast<size_t>(2 * d.k));
        finish.sums = sums->data();
      }
      conv2d_cpu::forward(tape.context(), d, x.value.data<T>(), weight.value.data<T>(), finish, y.data<T>(),
                          keep);
    } else {
      Conv2d<D>::forward(tape.context(), d, x.value.data<T>(), weight.value.data<T>(), b, y.data<T>(), keep);
    }
  });
  const Variable b = bias ? slot_of(*bias) : Variable();
  const bool weight_learns = weight.needs_gradient() || b.needs_gradient();
  const auto backward = [d, x_shape = xs, w_shape = ws, dtype = x.dtype(), x = slot_of(x),
                         weight = slot_of(weight), b, xv = Saved(weight_learns ? x.value : Tensor()),
                         wv = Saved(x.needs_gradient() ? weight.value : Tensor())](Tape& t,
                                                                                   const Tensor& grad_y) {
    Context& context = t.context();
    if (weight.needs_gradient() || b.needs_gradient()) {
      const bool in_place = weight.needs_gradient() && !b.needs_gradient();
      const Tape::Target target = in_place ? t.gradient_of(weight) : Tape::Target{};
      const bool direct = in_place && !target.accumulate;
      const Tensor grad_w = direct ? target.tensor : t.empty(w_shape, dtype);
      const Tensor grad_b = b.needs_gradient() ? t.empty({d.k}, dtype) : Tensor();
      dispatch(context, grad_y.dtype(), [&]<Device D, class T>() {
        Conv2d<D>::backward_weight(context, d, xv.data<T>(), grad_y.data<T>(), grad_w.data<T>(),
                                   grad_b.data<T>());
      });
      if (!direct) t.add_gradient(weight, grad_w);
      if (b.needs_gradient()) t.add_gradient(b, grad_b);
    }
    if (!x.needs_gradient()) return;
    dispatch(context, grad_y.dtype(), [&]<Device D, class T>() {
      if constexpr (D == Device::cpu && std::is_same_v<T, float>) {
        const Tape::Target target = t.gradient_of(x);
        conv2d_cpu::backward_data(context, d, grad_y.data<T>(), wv.data<T>(), target.accumulate,
                                  target.tensor.data<T>());
      } else {
        const Tensor grad_x = t.empty(x_shape, dtype);
        Conv2d<D>::backward_data(context, d, grad_y.data<T>(), wv.data<T>(), grad_x.data<T>());
        t.add_gradient(x, grad_x);
      }
    });
  };
  return tape.record(y, {&x, &weight, &b}, backward);
}

}  // namespace saccade
