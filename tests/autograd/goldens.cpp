// The f64 oracle against PyTorch's f64, for every case of every registered op: outputs and input gradients.
#include "tests/common/golden.h"

#include <deque>
#include <nlohmann/json.hpp>
#include <set>

#include "autograd/op_check.h"
#include "tests/common/catch.h"

using namespace saccade;

namespace {

// Ops that no golden can be made for, and why.
const std::map<std::string, std::string> kWithoutGolden = {};

// The oracle's cases, rounded to bf16: an ulp of another libm cannot move them.
using Values = std::vector<std::vector<double>>;
Values case_inputs(const Op& op, const Case& test_case) {
  return make_inputs(op, test_case, DType::bf16);
}

std::vector<double> doubles(Context& context, const Tensor& tensor) {
  return converted(context, tensor, DType::f64).to_host<double>(context);
}

bool gives_gradient(const Port& port) {
  return port.kind == Kind::floating && port.differentiable;
}

struct Run {
  Values outputs, gradients;  // gradients: empty for inputs without one
};

Run run_oracle(const Op& op, const Case& test_case, const Values& values) {
  Context context(Device::cpu, 0, 1);
  Tape tape(context);
  tape.random = Tensor::from<int64_t>(context, {2}, {17, 3});
  const auto inputs = place_inputs(tape, op, test_case, values, DType::f64);
  const auto outputs = op.run(tape, inputs, complete(op, test_case.attributes));
  Run run;
  std::vector<Variable> ends;
  std::vector<Tensor> cotangents;
  for (size_t i = 0; i < outputs.size(); ++i) {
    run.outputs.push_back(doubles(context, outputs[i].value));
    if (!outputs[i].needs_gradient() || !gives_gradient(op.outputs[i])) continue;
    ends.push_back(outputs[i]);
    cotangents.push_back(
        Tensor::from(context, outputs[i].shape(), cotangent(test_case.name, i, run.outputs[i].size())));
  }
  tape.backward(ends, cotangents);
  for (const Variable& input : inputs)
    run.gradients.push_back(input.needs_gradient() ? doubles(context, tape.grad(input))
                                                   : std::vector<double>());
  return run;
}

// Whether the goldens of the case were made from these inputs.
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

std::string file_of(const std::string& name) {
  return std::string(SACCADE_SOURCE_DIR) + "/tests/goldens/" + name;
}

}  // namespace

TEST_CASE("the f64 oracle of every op agrees with PyTorch in f64, values and gradients") {
  const golden::File file(file_of("ops.safetensors"));
  std::set<std::string> used;
  double worst = 0;
  std::string worst_name;
  const auto hold = [&](const std::string& name, const std::vector<double>& values) {
    const golden::Verdict verdict = file.compare(name, values, 1e-9);
    INFO(verdict.failure);
    CHECK(verdict.passed);
    used.insert(file.find(name) ? name : name + "|summary");
    if (verdict.worst > worst) worst = verdict.worst, worst_name = name;
  };
  for (const Op& op : all_ops()) {
    if (kWithoutGolden.count(op.name)) continue;
    for (const Case& test_case : op.cases) {
      const std::string key = op.name + "/" + test_case.name;
      const Values values = case_inputs(op, test_case);
      used.insert(key + "/inputs");
      if (!made_from(file, key, values)) {
        FAIL_CHECK(key << ": no golden, or one made from other inputs; run tests/goldens/make_goldens.py");
        continue;
      }
      const Run run = run_oracle(op, test_case, values);
      for (size_t i = 0; i < op.outputs.size(); ++i) hold(key + "/" + op.outputs[i].name, run.outputs[i]);
      for (size_t i = 0; i < op.inputs.size(); ++i)
        if (gives_gradient(op.inputs[i])) hold(key + "/grad_" + op.inputs[i].name, run.gradients[i]);
    }
  }
  for (const auto& [name, values] : file.tensors()) {
    INFO(name << " is of no registered op: run tests/goldens/make_goldens.py");
    CHECK(used.count(name) == 1);
  }
  WARN("largest error against PyTorch: " << worst << " (" << worst_name << ")");
}

TEST_CASE("a golden comparison sees an error of one part in a hundred million") {
  const golden::File file(file_of("ops.safetensors"));
  const Op& op = find_op("matmul");
  for (const Case& test_case : op.cases) {
    Run run = run_oracle(op, test_case, case_inputs(op, test_case));
    for (double& v : run.outputs[0]) v *= 1 + 1e-8;
    const bool empty = test_case.inputs[0].shape.count() == 0;
    CHECK(file.compare("matmul/" + test_case.name + "/" + op.outputs[0].name, run.outputs[0], 1e-9).passed ==
          empty);
  }
}

// Hidden: run by name before tests/goldens/make_goldens.py.
TEST_CASE("write the cases for make_goldens.py", "[.cases]") {
  std::deque<std::vector<double>> keep;
  std::vector<TensorView> views;
  const auto add = [&](const std::string& name, const Shape& shape, const std::vector<double>& values) {
    keep.push_back(values);
    views.push_back({name, DType::f64, {shape.begin(), shape.end()}, keep.back().data()});
  };
  const auto ports = [](const std::vector<Port>& all) {
    auto list = nlohmann::json::array();
    for (const Port& port : all)
      list.push_back({{"name", port.name},
                      {"kind", port.kind == Kind::floating ? "floating" : "integer"},
                      {"differentiable", port.differentiable}});
    return list;
  };
  auto ops = nlohmann::json::array();
  for (const Op& op : all_ops()) {
    if (kWithoutGolden.count(op.name)) continue;
    auto cases = nlohmann::json::array();
    for (const Case& test_case : op.cases) {
      const std::string key = op.name + "/" + test_case.name;
      const Values values = case_inputs(op, test_case);
      for (size_t i = 0; i < values.size(); ++i)
        add(key + "/" + op.inputs[i].name, test_case.inputs[i].shape, values[i]);
      const Run run = run_oracle(op, test_case, values);  // for the sizes of the outputs only
      for (size_t i = 0; i < run.outputs.size(); ++i) {
        const auto count = run.outputs[i].size();
        if (gives_gradient(op.outputs[i]))
          add(key + "/cotangent/" + op.outputs[i].name, {static_cast<int64_t>(count)},
              cotangent(test_case.name, i, count));
      }
      cases.push_back({{"name", test_case.name}, {"attributes", complete(op, test_case.attributes)}});
    }
    ops.push_back(
        {{"name", op.name}, {"inputs", ports(op.inputs)}, {"outputs", ports(op.outputs)}, {"cases", cases}});
  }
  write_safetensors(std::string(SACCADE_BINARY_DIR) + "/golden_cases.safetensors", views,
                    {{"ops", ops.dump()}});
}
