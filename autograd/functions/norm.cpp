#include "autograd/functions/norm.h"

#include "autograd/functions/common.h"
#include "autograd/functions/pooling.h"
#include "kernels/norm/batch_norm.ref.h"
#include "kernels/norm/column_sums.h"
#include "kernels/pool/max_pool2d.ref.h"

namespace saccade {

namespace {

template <class T>
const T* data_or_null(const Tensor& tensor) {
  return tensor ? tensor.data<T>() : nullptr;
}

}  // namespace

void check_batch_norm(const Shape& x, DType dtype, const Variable& gamma, const Variable* beta,
                      const Tensor& running_mean, const Tensor& running_var, const BatchNormOptions& options,
                      const Variable* residual) {
  check_input(x.rank() >= 2, "batch_norm: x ", x.text(), " has less than two dimensions");
  const Shape channels{x[-1]};
  check_input(gamma.shape() == channels && (!beta || beta->shape() == channels) &&
                  running_mean.shape() == channels && running_var.shape() == channels,
              "batch_norm: gamma, beta and the running statistics must have shape ", channels.text());
  check_input(!residual || residual->shape() == x, "batch_norm: x and the residual differ in shape");
  // Sums over bf16 are kept in f32, and so is what the norm learns and counts.
  const DType wide = accumulator_of(dtype);
  check_input(gamma.dtype() == wide && (!beta || beta->dtype() == wide) && running_mean.dtype() == wide &&
                  running_var.dtype() == wide && (!residual || residual->dtype() == dtype),
              "batch_norm: for x in ", name_of(dtype), " gamma, beta and the running statistics are ",
              name_of(wide), " and the residual is like x");
  check_input(options.mode != BatchNormOptions::train || x.rows() != 1,
              "batch_norm: one value per channel has no variance to train with; x is ", x.text());
}

Variable batch_norm(Tape& tape, const Variable& x, const Variable& gamma, const Variable* beta,
                    const Tensor& running_mean, const Tensor& running_var, const BatchNormOptions& options,
                    const Variable* residual, const std::vector<double>* column_sums, const Window* pool) {
  tape.begin("batch_norm");
  check_batch_norm(x.shape(), x.dtype(), gamma, beta, running_mean, running_var, options, residual);
  check(!pool || (!residual && pool->in_count() == x.shape().count() && pool->channels == x.shape()[-1]),
        "batch_norm: another pool's pictures");
  const int64_t rows = x.shape().rows(), channels = x.shape()[-1];
  const bool relu = options.relu, of_batch = options.mode != BatchNormOptions::eval;
  const Window window = pool ? *pool : Window();
  const Tensor y = pool ? tape.empty(output_of(window), x.dtype()) : tape.empty_like(x.value);
  const Tensor tap = pool ? tape.empty(y.shape(), DType::u8) : Tensor();
  const Tensor mean = tape.empty_like(gamma.value), invstd = tape.empty_like(gamma.value);
  if (!of_batch) copy(tape.context(), mean, running_mean);
  const bool moves = options.mode == BatchNormOptions::train;
  if (moves) running_mean.mark_written(), running_var.mark_written();
  const Tensor beta_value = beta ? beta->value : Tensor(),
               residual_value = residual ? residual->value : Tensor();
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    using A = Accumulator<T>;
    A *moving_mean = moves ? running_mean.data<A>() : nullptr,
      *moving_var = moves ? running_var.data<A>() : nullptr;
    bool known = false;
    if constexpr (D == Device::cpu) {
      known = of_batch && column_sums && !column_sums->empty();
      if (known)
        statistics_from(column_sums->data(), rows, channels, options.eps, options.momentum, mean.data<A>(),
                        invstd.data<A>(), moving_mean, moving_var);
    }
    if (!of_batch)
      BatchNorm<D>::invert(tape.context(), channels, running_var.data<A>(), options.eps, invstd.data<A>());
    else if (!known)
      BatchNorm<D>::statistics(tape.context(), rows, channels, x.value.data<T>(), options.eps,
                               options.momentum, mean.data<A>(), invstd.data<A>(), moving_mean, moving_var);

    const auto apply = [&](int64_t count, const T* from, T* to) {
      BatchNorm<D>::apply(tape.context(), count, channels, from, mean.data<A>(), invstd.data<A>(),
                          gamma.value.data<A>(), data_or_null<A>(beta_value), data_or_null<T>(residual_value),
                          relu, to);
    };
    if (!tap) return apply(rows, x.value.data<T>(), y.data<T>());
    Window one = window;
    one.batch = 1;
    const Context::Scratch picture(tape.context(), static_cast<size_t>(one.in_count()) * sizeof(T));
    for (int64_t n = 0; n < window.batch; ++n) {
      apply(rows / window.batch, x.value.data<T>() + n * one.in_count(), picture.as<T>());
      MaxPool2d<D>::forward(tape.context(), one, picture.as<T>(), y.data<T>() + n * one.out_count(),
                            tap.data<uint8_t>() + n * one.out_count());
    }
  });

  // With a residual the ReLU is undone from y; without, from x, which the gradient reads anyway.
  const bool from_y = relu && residual;
  const Variable b = beta ? slot_of(*beta) : Variable(), res = residual ? slot_of(*residual) : Variable();
  const auto backward = [=, x_slot = slot_of(x), gamma_slot = slot_of(gamma), xs = Saved(x.value),
                         ys = Saved(from_y ? y : Tensor()), gammas = Saved(gamma.value), means = Saved(mean),
                         invstds = Saved(invstd), betas = Saved(beta_value), taps = Saved(tap),
                         shape = x.shape()](Tape& t, const Tensor& grad_of_result) {
    const Tensor grad_of_pooled = taps.get() ? t.empty(shape, grad_of_result.dtype()) : Tensor();
    const Tensor& grad_y = taps.get() ? grad_of_pooled : grad_of_result;
    if (taps.get())
      dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
        MaxPool2d<D>::backward(t.context(), window, grad_of_result.data<T>(), taps.data<uint8_t>(),
                               grad_y.data<T>());
      });
    // A gradient that nobody else holds is overwritten in place: it saves the memory and its traffic.
    const bool in_place = grad_y.is_only_owner();
    const Tensor g = from_y && !in_place ? t.empty_like(grad_y) : grad_y;
    if (in_place) grad_y.mark_written();
    const Tensor grad_gamma = t.empty_like(means.get()), grad_beta = t.empty_like(means.get());
    const bool sums = of_batch || from_y || gamma_slot.needs_gradient() || b.needs_gradient();
    if (sums)
      dispatch(t.context(), g.dtype(), [&]<Device D, class T>() {
        using A = Accumulator<T>;
        BatchNorm<D>::reduce(t.context(), rows, channels, grad_y.data<T>(), xs.data<T>(),
                             data_or_null<T>(ys.get()), means.data<A>(), invstds.data<A>(), gammas.data<A>(),
                             data_or_null<A>(betas.get()), relu, grad_gamma.data<A>(), grad_beta.data<A>(),
                             from_y ? g.data<T>() : nullptr);
      });
    if (x_slot.needs_gradient()) {
      const bool free = (in_place || from_y) && !res.needs_gradient();
      const Tensor grad_x = free ? g : t.empty_like(g);
      dispatch(t.context(), g.dtype(), [&]<Device D, class T>() {
        using A = Accumulator<T>;
        BatchNorm<D>::propagate(t.context(), rows, channels, g.data<T>(), xs.data<T>(), means.data<A>(),
                                invstds.data<A>(), gammas.data<A>(), data_or_null<A>(betas.get()),
                                relu && !from_y, of_batch ? grad_gamma.data<A>() : nullptr,
                                of_batch ? grad_beta.data<A>() : nullptr, grad_x.data<T>());
      });
      t.add_gradient(x_slot, grad_x);
    }
    t.add_gradient(gamma_slot, grad_gamma);
    t.add_gradient(b, grad_beta);
    t.add_gradient(res, g);
  };
  return tape.record(y, {&x, &gamma, &b, &res}, backward);
}

}  // namespace saccade
