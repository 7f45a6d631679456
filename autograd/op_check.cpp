#include "autograd/op_check.h"

#include <cmath>

#include "autograd/op_run.h"

namespace saccade {

namespace {

struct Outcome {
  std::vector<std::vector<Bound>> outputs;          // value in .value; S in .magnitude when run on Bound
  std::vector<std::vector<Bound>> input_gradients;  // empty for inputs without one
};

std::vector<Bound> to_bounds(Context& context, const Tensor& tensor) {
  if (tensor.dtype() == DType::bound) return tensor.to_host<Bound>(context);
  std::vector<Bound> out;
  for (double v : converted(context, tensor, DType::f64).to_host<double>(context)) out.emplace_back(v);
  return out;
}

Outcome run_op(const Op& op, const Case& test_case, Context& context, DType dtype,
               const std::vector<std::vector<double>>& values, bool with_gradients) {
  OpRunner runner(context, op, place_inputs(context, op, test_case, values, dtype), test_case.attributes);
  runner.forward(with_gradients);
  if (with_gradients) runner.backward(runner.random_cotangents(test_case.name));
  Outcome outcome;
  for (const Tensor& output : runner.outputs()) outcome.outputs.push_back(to_bounds(context, output));
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    const Tensor gradient = with_gradients ? runner.gradient(i) : Tensor();
    outcome.input_gradients.push_back(gradient ? to_bounds(context, gradient) : std::vector<Bound>());
  }
  return outcome;
}

double epsilon_of(DType dtype) {
  return dtype == DType::f32 ? 0x1p-24 : dtype == DType::bf16 ? 0x1p-8 : 0x1p-53;
}

void compare(CheckResult& result, const std::string& what, const std::vector<Bound>& got,
             const std::vector<Bound>& reference, const std::vector<Bound>& bound, double c, double epsilon,
             double absolute) {
  if (got.size() != reference.size()) {
    result.passed = false;
    if (result.failure.empty())
      result.failure = concat(what, ": ", got.size(), " elements, not ", reference.size());
    return;
  }
  for (size_t i = 0; i < got.size(); ++i) {
    const double error = std::fabs(got[i].value - reference[i].value);
    const double unit = epsilon * bound[i].magnitude;
    ++result.compared;
    if (unit > 0 && error > absolute) result.worst = std::max(result.worst, error / unit);
    if (!(error <= c * unit + absolute) && got[i].value != reference[i].value) {  // equal infinities pass
      result.passed = false;
      if (result.failure.empty())
        result.failure = concat(what, "[", i, "] = ", got[i].value, ", reference ", reference[i].value,
                                ", S ", bound[i].magnitude, ", c ", c);
    }
  }
}

// Indices by what they were picked by, where they differ.
void compare_picks(CheckResult& result, const std::string& what, const Pick& pick, const Case& test_case,
                   const std::vector<std::vector<double>>& inputs, const std::vector<Bound>& got,
                   const std::vector<Bound>& reference, double c, double epsilon) {
  if (got.size() != reference.size()) return compare(result, what, got, reference, reference, 0, 0, 0);
  for (size_t i = 0; i < got.size(); ++i) {
    ++result.compared;
    if (got[i].value == reference[i].value) continue;
    const Bound ours = pick(test_case, inputs, i, static_cast<int64_t>(got[i].value));
    const Bound best = pick(test_case, inputs, i, static_cast<int64_t>(reference[i].value));
    const double error = std::fabs(ours.value - best.value);
    if (error > 0 && error <= c * epsilon * (ours.magnitude + best.magnitude)) continue;  // false for NaN
    result.passed = false;
    if (result.failure.empty())
      result.failure = concat(what, "[", i, "] = ", got[i].value, " picked by ", ours.value, ", reference ",
                              reference[i].value, " by ", best.value);
  }
}

}  // namespace

CheckResult check_parity(const Op& op, const Case& test_case, Context& context, DType dtype) {
  const auto values = make_inputs(op, test_case, dtype);
  Context host(Device::cpu, 0, 1);
  const Outcome got = run_op(op, test_case, context, dtype, values, true);
  const Outcome reference = run_op(op, test_case, host, DType::f64, values, true);
  const Outcome bound = run_op(op, test_case, host, DType::bound, values, true);
  const double c = test_case.tolerance > 0 ? test_case.tolerance : op.tolerance;
  CheckResult result;
  const std::string head =
      concat(op.name, "/", test_case.name, " on ", name_of(context.device()), " ", name_of(dtype), ": ");
  for (size_t i = 0; i < op.outputs.size(); ++i) {
    const bool exact = op.outputs[i].kind != Kind::floating;
    if (op.outputs[i].pick) {
      // What is picked by is summed in f32 in bf16, too.
      compare_picks(result, head + op.outputs[i].name, op.outputs[i].pick, test_case, values, got.outputs[i],
                    reference.outputs[i], c, epsilon_of(dtype == DType::bf16 ? DType::f32 : dtype));
      continue;
    }
    compare(result, head + op.outputs[i].name, got.outputs[i], reference.outputs[i], bound.outputs[i],
            exact ? 0 : c, epsilon_of(dtype_for(op.outputs[i], dtype)), exact ? 0 : op.absolute);
  }
  for (size_t i = 0; i < op.inputs.size(); ++i)
    compare(result, head + "grad_" + op.inputs[i].name, got.input_gradients[i], reference.input_gradients[i],
            bound.input_gradients[i], c, epsilon_of(dtype_for(op.inputs[i], dtype)), op.absolute);
  return result;
}

CheckResult check_gradient(const Op& op, const Case& test_case, double fault) {
  Context host(Device::cpu, 0, 1);
  auto values = make_inputs(op, test_case, DType::f64);
  const Outcome analytic = run_op(op, test_case, host, DType::f64, values, true);
  // <cotangent, outputs> at the current values.
  const auto objective = [&] {
    const Outcome out = run_op(op, test_case, host, DType::f64, values, false);
    double sum = 0;
    for (size_t i = 0; i < op.outputs.size(); ++i) {
      if (!takes_gradient(op.outputs[i])) continue;
      const auto weights = cotangent(test_case.name, i, out.outputs[i].size());
      for (size_t k = 0; k < weights.size(); ++k) sum += weights[k] * out.outputs[i][k].value;
    }
    return sum;
  };
  CheckResult result;
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    const auto& gradient = analytic.input_gradients[i];
    double scale = 0;  // of this input's gradients: what an error is held against
    for (Bound g : gradient) scale = std::max(scale, std::fabs(g.value));
    // At most 64 positions, spread over the input.
    const size_t stride = std::max<size_t>(1, gradient.size() / 64);
    for (size_t k = 0; k < gradient.size(); k += stride) {
      const double kept = values[i][k], step = 1e-5 * std::max(1.0, std::fabs(kept));
      const auto at = [&](double offset) {
        values[i][k] = kept + offset;
        return objective();
      };
      // Five-point stencil: error O(step^4), so that a factor of 1.01 stands far above it.
      const double h = step * 10;
      const double numeric = (at(-2 * h) - 8 * at(-h) + 8 * at(h) - at(2 * h)) / (12 * h);
      values[i][k] = kept;
      const double error = std::fabs(numeric - fault * gradient[k].value);
      ++result.compared;
      const double allowed = 1e-6 * std::max(std::fabs(gradient[k].value), scale) + 1e-9;
      result.worst = std::max(result.worst, error / (scale + 1e-30));
      if (!(error <= allowed)) {
        result.passed = false;
        if (result.failure.empty())
          result.failure = concat(op.name, "/", test_case.name, ": grad_", op.inputs[i].name, "[", k,
                                  "] = ", gradient[k].value, ", finite differences ", numeric);
      }
    }
  }
  return result;
}

}  // namespace saccade
