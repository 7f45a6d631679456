#include "autograd/functions/norm.h"

#include "kernels/norm/batch_norm.ref.h"

namespace saccade {

Variable batch_norm(Tape& tape, const Variable& x, const Variable& gamma, const Variable* beta,
                    const Tensor& running_mean, const Tensor& running_var, const BatchNormOptions& o,
                    const Variable* residual) {
  tape.begin("batch_norm");
  Context& context = tape.context();
  check_input(x.shape().rank() >= 2, "batch_norm: x ", x.shape().text(), " has no batch dimension");
  const int64_t rows = x.shape().rows(), channels = x.shape()[-1];
  const Shape per_channel{channels};
  check_input(gamma.shape() == per_channel && (!beta || beta->shape() == per_channel) &&
                  running_mean.shape() == per_channel && running_var.shape() == per_channel,
              "batch_norm: x ", x.shape().text(), " needs parameters and statistics of shape ", per_channel.text());
  check_input(!residual || residual->shape() == x.shape(), "batch_norm: the residual has another shape than x");
  const bool from_batch = o.mode != BatchNormOptions::eval;
  const bool moves = o.mode == BatchNormOptions::train;
  const Tensor mean = from_batch ? tape.empty(per_channel, x.dtype()) : running_mean;
  const Tensor invstd = tape.empty(per_channel, x.dtype());
  const Tensor y = tape.empty_like(x.value);
  if (moves) running_mean.mark_written();
  const bool relu = o.relu;
  dispatch_cpu(context, x.dtype(), [&]<Device D, class T>() {
    T* none = nullptr;
    if (from_batch) {
      BatchNorm<D>::statistics(context, rows, channels, x.value.data<T>(), o.eps, o.momentum, mean.data<T>(), invstd.data<T>(),
                               moves ? running_mean.data<T>() : none, moves ? running_var.data<T>() : none);
    } else {
      BatchNorm<D>::inverse_deviation(context, channels, running_var.data<T>(), o.eps, invstd.data<T>());
    }
    BatchNorm<D>::apply(context, rows, channels, x.value.data<T>(), mean.data<T>(), invstd.data<T>(), gamma.value.data<T>(),
                        beta ? beta->value.data<T>() : none, residual ? residual->value.data<T>() : none, relu, y.data<T>());
  });
  const Variable b = beta ? *beta : Variable(), extra = residual ? *residual : Variable();
  const auto backward = [rows, channels, from_batch, relu, x, gamma, b, extra, xs = Saved(x.value), ys = Saved(y),
                         gs = Saved(gamma.value), means = Saved(mean), invstds = Saved(invstd)](Tape& t, const Tensor& grad_y) {
    const Tensor grad_x = t.empty_like(grad_y);
    const Tensor grad_gamma = t.empty_like(gs.get()), grad_beta = t.empty_like(gs.get());
    const Tensor grad_residual = extra.needs_gradient() ? t.empty_like(grad_y) : Tensor();
    dispatch_cpu(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
      BatchNorm<D>::backward(t.context(), rows, channels, from_batch, relu, xs.data<T>(), ys.data<T>(), means.data<T>(), invstds.data<T>(),
                             gs.data<T>(), grad_y.data<T>(), grad_x.data<T>(), grad_gamma.data<T>(), grad_beta.data<T>(), grad_residual.data<T>());
    });
    t.add_gradient(x, grad_x);
    t.add_gradient(gamma, grad_gamma);
    t.add_gradient(b, grad_beta);
    if (grad_residual) t.add_gradient(extra, grad_residual);
  };
  return tape.record(y, {&x, &gamma, &b, &extra}, backward);
}

}  // namespace saccade
