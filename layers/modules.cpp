#include "layers/modules.h"

#include "autograd/functions/cast.h"
#include "autograd/functions/conv_norm.h"
#include "autograd/functions/linear.h"
#include "layers/init.h"

namespace saccade::layers {

Conv2d::Conv2d(ParameterArena& arena, const std::string& name, int64_t in, int64_t out, int64_t size,
               int64_t stride, int64_t padding, bool with_bias)
    : options{stride, stride, padding, padding} {
  const Shape shape{out, size, size, in};
  weight = &arena.add(name + ".weight", shape, init::kaiming_normal_fan_out(shape));
  if (with_bias) bias = &arena.add(name + ".bias", {out}, init::torch_linear(init::fan_in(shape)));
}

Variable Conv2d::operator()(Tape& tape, const Variable& x) const {
  const Variable b = bias ? tape.in_precision(*bias) : Variable();
  return conv2d(tape, in_precision(tape, x), tape.in_precision(*weight), bias ? &b : nullptr, options);
}

BatchNorm::BatchNorm(ParameterArena& arena, const std::string& name, int64_t channels, float initial_weight)
    : weight(arena.add(name + ".weight", {channels}, init::constant(initial_weight))),
      bias(arena.add(name + ".bias", {channels}, init::constant(0))),
      mean(arena.add_buffer(name + ".running_mean", {channels}, init::constant(0))),
      variance(arena.add_buffer(name + ".running_var", {channels}, init::constant(1))) {}

Variable BatchNorm::operator()(Tape& tape, const Variable& x, BatchNormOptions::Mode mode, bool relu,
                               const Variable* residual) const {
  BatchNormOptions options;
  options.mode = mode;
  options.relu = relu;
  const Variable gamma = tape.as_stored(weight), beta = tape.as_stored(bias);
  return batch_norm(tape, x, gamma, &beta, mean.value, variance.value, options, residual);
}

Variable conv_norm(Tape& tape, const Conv2d& convolution, const BatchNorm& norm, const Variable& x,
                   BatchNormOptions::Mode mode, bool relu, const Variable* residual,
                   const MaxPoolOptions* pool) {
  check(!convolution.bias, "a convolution before a norm has no bias");
  BatchNormOptions options;
  options.mode = mode;
  options.relu = relu;
  return saccade::conv_norm(tape, in_precision(tape, x), tape.in_precision(*convolution.weight),
                            tape.as_stored(norm.weight), tape.as_stored(norm.bias), norm.mean.value,
                            norm.variance.value, convolution.options, options, residual, pool);
}

Linear::Linear(ParameterArena& arena, const std::string& name, int64_t in, int64_t out, bool with_bias)
    : Linear(arena, name, in, out, with_bias, init::torch_linear(in), init::torch_linear(in)) {}

Linear::Linear(ParameterArena& arena, const std::string& name, int64_t in, int64_t out, bool with_bias,
               Initializer weight_values, Initializer bias_values) {
  weight = &arena.add(name + ".weight", {out, in}, std::move(weight_values));
  if (with_bias) bias = &arena.add(name + ".bias", {out}, std::move(bias_values));
}

Variable Linear::operator()(Tape& tape, const Variable& x, bool relu) const {
  const Variable b = bias ? tape.in_precision(*bias) : Variable();
  return linear(tape, in_precision(tape, x), tape.in_precision(*weight), bias ? &b : nullptr, relu);
}

}  // namespace saccade::layers
