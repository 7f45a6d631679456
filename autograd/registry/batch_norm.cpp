#include "kernels/norm/batch_norm.h"

#include "autograd/functions/norm.h"
#include "autograd/registry/registry.h"

namespace saccade {

namespace {

constexpr double kTrain = BatchNormOptions::train, kEval = BatchNormOptions::eval,
                 kBatchOnly = BatchNormOptions::batch_only;

// The five inputs of a case: x of `shape`, then gamma, beta, running mean, running variance.
std::vector<CaseInput> inputs_of(const Shape& shape, const Fill& x = {}) {
  const Shape channels{shape[-1]};
  return {{shape, x},
          {channels, {Fill::uniform, 0.5, 1.5}},
          {channels},
          {channels},
          {channels, {Fill::uniform, 0.2, 2}}};
}

// Few values, so that among half a million none lies so near the ReLU's corner that f32 and f64 disagree.
const Fill few = {Fill::values, 0, 1, {-2.25, -1, 0.5, 1.75, 3}};

std::vector<CaseInput> with_residual(const Shape& shape, const Fill& x = {}, const Fill& residual = {}) {
  std::vector<CaseInput> inputs = inputs_of(shape, x);
  inputs.push_back({shape, residual});
  return inputs;
}

std::vector<Variable> run(Tape& tape, const std::vector<Variable>& in, const Attributes& a) {
  const int64_t mode = integer(a, "mode");
  check_input(0 <= mode && mode <= 2, "batch_norm: mode ", mode,
              " is none of 0 (train), 1 (eval), 2 (batch only)");
  const BatchNormOptions options{static_cast<BatchNormOptions::Mode>(mode), a.at("eps"), a.at("momentum"),
                                 a.at("relu") != 0};
  // Copies: an op of the registry leaves its inputs as they are.
  const Tensor mean = copy_of(tape.context(), in[3].value), var = copy_of(tape.context(), in[4].value);
  const Variable y = batch_norm(tape, in[0], in[1], a.at("beta") != 0 ? &in[2] : nullptr, mean, var, options,
                                in.size() > 5 ? &in[5] : nullptr);
  return {y, tape.constant(mean), tape.constant(var)};
}

const std::vector<Port> outputs = {{"y"},
                                   {"new_running_mean", Kind::floating, false, true},
                                   {"new_running_var", Kind::floating, false, true}};
const std::vector<AttributeSpec> attributes = {{"mode", false, kTrain},
                                               {"eps", false, 1e-5},
                                               {"momentum", false, 0.1},
                                               flag("relu", false),
                                               flag("beta", true)};

}  // namespace

Op batch_norm_op() {
  return {
      .name = "batch_norm",
      .contract = "kernels/norm/batch_norm.h",
      .inputs = {{"x"},
                 {"gamma", Kind::floating, true, true},
                 {"beta", Kind::floating, true, true},
                 {"running_mean", Kind::floating, false, true},
                 {"running_var", Kind::floating, false, true}},
      .outputs = outputs,
      .attributes = attributes,
      .run = run,
      .cases =
          {{.name = "empty", .inputs = inputs_of({0, 3})},
           {.name = "two rows", .inputs = inputs_of({2, 1})},
           {.name = "one row eval", .inputs = inputs_of({1, 3}), .attributes = {{"mode", kEval}}},
           {.name = "one row batch", .inputs = inputs_of({1, 3}), .attributes = {{"mode", kBatchOnly}}},
           {.name = "train", .inputs = inputs_of({3, 5, 7, 9})},
           {.name = "train relu", .inputs = inputs_of({3, 3, 2, 5}), .attributes = {{"relu", 1}}},
           {.name = "no beta", .inputs = inputs_of({11, 17}), .attributes = {{"beta", 0}}},
           {.name = "batch only",
            .inputs = inputs_of({19, 6}),
            .attributes = {{"mode", kBatchOnly}, {"momentum", 0.3}}},
           {.name = "eval", .inputs = inputs_of({13, 7}), .attributes = {{"mode", kEval}}},
           {.name = "eval relu",
            .inputs = inputs_of({13, 7}),
            .attributes = {{"mode", kEval}, {"relu", 1}, {"eps", 1e-3}}},
           {.name = "far mean", .inputs = inputs_of({300, 5}, {Fill::normal, 1000, 0.5})},
           {.name = "constant", .inputs = inputs_of({64, 3}, {Fill::constant, 3}), .kink = true},
           {.name = "vectors", .inputs = inputs_of({3, 9, 5, 24}, few), .attributes = {{"relu", 1}}},
           {.name = "vectors far mean", .inputs = inputs_of({300, 16}, {Fill::normal, 1000, 0.5})},
           {.name = "long",
            .inputs = inputs_of({5000, 19}, few),
            .attributes = {{"relu", 1}},
            .small = false},
           {.name = "neck", .inputs = inputs_of({64, 2048}), .attributes = {{"beta", 0}}, .small = false},
           {.name = "large",
            .inputs = inputs_of({4, 32, 16, 256}, few),
            .attributes = {{"relu", 1}},
            .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes&, int element) {
            return BatchNorm<Device::cpu>::floor(in[0].rows(), in[0][-1], false, element);
          },
      .devices = devices_with_gpu(),
      .versions = true,
  };
}

Op batch_norm_residual_op() {
  return {
      .name = "batch_norm_residual",
      .contract = "kernels/norm/batch_norm.h",
      .inputs = {{"x"},
                 {"gamma", Kind::floating, true, true},
                 {"beta", Kind::floating, true, true},
                 {"running_mean", Kind::floating, false, true},
                 {"running_var", Kind::floating, false, true},
                 {"residual"}},
      .outputs = outputs,
      .attributes = attributes,
      .run = run,
      .cases = {{.name = "empty", .inputs = with_residual({0, 3})},
                {.name = "train", .inputs = with_residual({3, 5, 7, 9})},
                {.name = "train relu", .inputs = with_residual({3, 3, 2, 5}), .attributes = {{"relu", 1}}},
                {.name = "eval relu",
                 .inputs = with_residual({13, 7}),
                 .attributes = {{"mode", kEval}, {"relu", 1}}},
                {.name = "no beta",
                 .inputs = with_residual({11, 17}),
                 .attributes = {{"relu", 1}, {"beta", 0}}},
                {.name = "vectors", .inputs = with_residual({3, 9, 5, 24}), .attributes = {{"relu", 1}}},
                {.name = "large",
                 .inputs = with_residual({4, 32, 16, 256}, {}, {Fill::values, 0, 1, {20, -20, -20}}),
                 .attributes = {{"relu", 1}},
                 .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes&, int element) {
            return BatchNorm<Device::cpu>::floor(in[0].rows(), in[0][-1], true, element);
          },
      .devices = devices_with_gpu(),
      .versions = true,
  };
}

}  // namespace saccade
