#include "tests/autograd/op_goldens.h"

#include <algorithm>

#include "autograd/op_run.h"

namespace saccade {

namespace {

std::vector<double> doubles(Context& context, const Tensor& tensor) {
  return converted(context, tensor, DType::f64).to_host<double>(context);
}

bool made_from(const golden::File& file, const std::string& key, const Values& values) {
  const auto* projections = file.find(key + "/inputs");
  if (!projections || projections->size() != values.size()) return false;
  for (size_t i = 0; i < values.size(); ++i) {
    std::vector<double> finite = values[i];
    for (double& v : finite) v = std::isfinite(v) ? v : 0;
    if (!(std::fabs(golden::projection(finite, 0) - (*projections)[i]) <= 1e-11 * golden::norm(finite)))
      return false;
  }
  return true;
}

}  // namespace

Values golden_inputs(const Op& op, const Case& test_case) {
  return make_inputs(op, test_case, DType::bf16);
}

OracleRun run_oracle(const Op& op, const Case& test_case) {
  Context context(Device::cpu, 0, 1);
  const Values values = golden_inputs(op, test_case);
  OpRunner runner(context, op, place_inputs(context, op, test_case, values, DType::f64),
                  test_case.attributes);
  runner.forward();
  runner.backward(runner.random_cotangents(test_case.name));
  OracleRun run;
  for (const Tensor& output : runner.outputs()) run.outputs.push_back(doubles(context, output));
  for (size_t i = 0; i < op.inputs.size(); ++i)
    run.gradients.push_back(takes_gradient(op.inputs[i]) ? doubles(context, runner.gradient(i))
                                                         : std::vector<double>());
  return run;
}

void hold_to_goldens(const golden::File& file, const Op& op, GoldenResult& result) {
  const auto hold = [&](const std::string& name, const std::vector<double>& values) {
    const golden::Verdict verdict = file.compare(name, values, 1e-9);
    if (!verdict.passed) result.failures.push_back(verdict.failure);
    result.used.insert(file.find(name) ? name : name + "|summary");
    if (verdict.worst > result.worst) result.worst = verdict.worst, result.worst_name = name;
  };
  for (const Case& test_case : op.cases) {
    const std::string key = op.name + "/" + test_case.name;
    result.used.insert(key + "/inputs");
    if (!made_from(file, key, golden_inputs(op, test_case))) {
      result.failures.push_back(key + ": no golden, or one made from other inputs; run tests/record.sh OP");
      continue;
    }
    const OracleRun run = run_oracle(op, test_case);
    for (size_t i = 0; i < op.outputs.size(); ++i) hold(key + "/" + op.outputs[i].name, run.outputs[i]);
    for (size_t i = 0; i < op.inputs.size(); ++i)
      if (takes_gradient(op.inputs[i])) hold(key + "/grad_" + op.inputs[i].name, run.gradients[i]);
  }
}

bool has_goldens(const golden::File& file, const Op& op) {
  return std::all_of(op.cases.begin(), op.cases.end(), [&](const Case& test_case) {
    return file.find(op.name + "/" + test_case.name + "/inputs") != nullptr;
  });
}

golden::File stored_goldens() {
  return golden::File(SACCADE_SOURCE_DIR "/tests/goldens/ops.safetensors");
}

}  // namespace saccade
