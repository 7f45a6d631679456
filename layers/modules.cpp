#include "layers/modules.h"

#include "autograd/functions/cast.h"
#include "autograd/functions/linear.h"
#include "layers/init.h"

namespace saccade::layers {

Conv2d::Conv2d(ParameterArena& arena, const std::string& name, int64_t in, int64_t out, int64_t size,
               int64_t stride, int64_t padding, bool with_bias)
    : options{stride, stride, padding, padding} {
  const Shape shape{out, size, size, in};
  weight_ = &arena.add(name + ".weight", shape, init::kaiming_normal_fan_out(shape));
  if (with_bias) bias_ = &arena.add(name + ".bias", {out}, init::torch_linear(init::fan_in(shape)));
}

Variable Conv2d::operator()(Tape& tape, const Variable& x) const {
  const Variable bias = bias_ ? tape.in_precision(*bias_) : Variable();
  return conv2d(tape, in_precision(tape, x), tape.in_precision(*weight_), bias_ ? &bias : nullptr, options);
}

BatchNorm::BatchNorm(ParameterArena& arena, const std::string& name, int64_t channels, float initial_weight)
    : weight(arena.add(name + ".weight", {channels}, init::constant(initial_weight))),
      bias(arena.add(name + ".bias", {channels}, init::constant(0))),
      mean_(arena.add_buffer(name + ".running_mean", {channels}, init::constant(0))),
      variance_(arena.add_buffer(name + ".running_var", {channels}, init::constant(1))) {}

Variable BatchNorm::operator()(Tape& tape, const Variable& x, BatchNormOptions::Mode mode, bool relu,
                               const Variable* residual) const {
  BatchNormOptions options;
  options.mode = mode;
  options.relu = relu;
  const Variable gamma = tape.as_stored(weight), beta = tape.as_stored(bias);
  return batch_norm(tape, x, gamma, &beta, mean_.value, variance_.value, options, residual);
}

Linear::Linear(ParameterArena& arena, const std::string& name, int64_t in, int64_t out, bool with_bias)
    : Linear(arena, name, in, out, with_bias, init::torch_linear(in), init::torch_linear(in)) {}

Linear::Linear(ParameterArena& arena, const std::string& name, int64_t in, int64_t out, bool with_bias,
               Initializer weight, Initializer bias) {
  weight_ = &arena.add(name + ".weight", {out, in}, std::move(weight));
  if (with_bias) bias_ = &arena.add(name + ".bias", {out}, std::move(bias));
}

Variable Linear::operator()(Tape& tape, const Variable& x, bool relu) const {
  const Variable bias = bias_ ? tape.in_precision(*bias_) : Variable();
  return linear(tape, in_precision(tape, x), tape.in_precision(*weight_), bias_ ? &bias : nullptr, relu);
}

}  // namespace saccade::layers
