#include "autograd/functions/norm.h"
#include "autograd/registry/registry.h"
#include "kernels/norm/batch_norm.h"

namespace saccade {

namespace {

Variable run_case(Tape& tape, const std::vector<Variable>& in, const Attributes& a, const Variable* residual) {
  BatchNormOptions options;
  options.mode = static_cast<BatchNormOptions::Mode>(static_cast<int>(a.at("mode")));
  options.eps = a.at("eps");
  options.momentum = a.at("momentum");
  options.relu = a.at("relu") != 0;
  // Copies: an op of the registry leaves its inputs as they are.
  const Tensor mean = copy_of(tape.context(), in[3].value), variance = copy_of(tape.context(), in[4].value);
  return batch_norm(tape, in[0], in[1], &in[2], mean, variance, options, residual);
}

const std::vector<AttributeSpec> kAttributes = {{"mode", false, 0}, {"eps", false, 1e-5}, {"momentum", false, 0.1}, {"relu", false, 0}};

std::vector<CaseInput> inputs(const Shape& x, double mean = 0) {
  const Shape c{x[-1]};
  return {{x, {Fill::normal, mean, 1}}, {c}, {c}, {c}, {c, {Fill::uniform, 0.5, 2}}};
}

const std::vector<Case> kCases = {
    {.name = "train", .inputs = inputs({2, 3, 5, 7})},
    {.name = "eval", .inputs = inputs({2, 3, 5, 7}), .attributes = {{"mode", 1}}},
    {.name = "batch statistics only", .inputs = inputs({9, 4}), .attributes = {{"mode", 2}}},
    {.name = "one row in eval", .inputs = inputs({1, 1}), .attributes = {{"mode", 1}}},
    {.name = "relu", .inputs = inputs({33, 5}), .attributes = {{"relu", 1}}},
    {.name = "far from zero", .inputs = inputs({65, 6}, 100)},
    {.name = "constant channel", .inputs = {{{8, 2}, {Fill::constant, 3}}, {{2}}, {{2}}, {{2}}, {{2}, {Fill::uniform, 0.5, 2}}}, .kink = true},
    {.name = "large", .inputs = inputs({1000, 67}), .small = false}};

std::vector<Case> with_residual(std::vector<Case> cases) {
  for (Case& c : cases) c.inputs.push_back({c.inputs[0].shape});
  return cases;
}

Floor floor_of(const std::vector<Shape>& in, int element) {
  return BatchNorm<Device::cpu>::floor(in[0].rows(), in[0][-1], in.size() > 5, element);
}

const std::vector<Port> kInputs = {{"x"}, {"gamma"}, {"beta"}, {"running_mean", Kind::floating, false}, {"running_var", Kind::floating, false}};

std::vector<Port> plus(std::vector<Port> ports, Port last) {
  ports.push_back(std::move(last));
  return ports;
}

const Registration plain{{
    .name = "batch_norm",
    .inputs = kInputs,
    .outputs = {{"y"}},
    .attributes = kAttributes,
    .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
      return {run_case(tape, in, a, nullptr)};
    },
    .cases = kCases,
    .floor = [](const std::vector<Shape>& in, const Attributes&, int element) { return floor_of(in, element); },
}};

const Registration fused{{
    .name = "batch_norm_residual",
    .inputs = plus(kInputs, {"residual"}),
    .outputs = {{"y"}},
    .attributes = kAttributes,
    .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
      return {run_case(tape, in, a, &in[5])};
    },
    .cases = with_residual(kCases),
    .floor = [](const std::vector<Shape>& in, const Attributes&, int element) { return floor_of(in, element); },
}};

}  // namespace

}  // namespace saccade
