// The f64 oracle against PyTorch's f64, for every case of every registered op: outputs and input gradients.
#include <deque>
#include <nlohmann/json.hpp>

#include "autograd/op_run.h"
#include "tests/autograd/op_goldens.h"
#include "tests/common/catch.h"
#include "tests/common/chosen_ops.h"

using namespace saccade;

TEST_CASE("the f64 oracle of every op agrees with PyTorch in f64, values and gradients") {
  const golden::File file = stored_goldens();
  GoldenResult result;
  for (const Op& op : all_ops()) hold_to_goldens(file, op, result);
  for (const std::string& failure : result.failures) FAIL_CHECK(failure);
  for (const auto& [name, values] : file.tensors()) {
    INFO(name << " is of no registered op: run tests/record.sh OP");
    CHECK(result.used.count(name) == 1);
  }
  WARN("largest error against PyTorch: " << result.worst << " (" << result.worst_name << ")");
}

TEST_CASE("a golden comparison sees an error of one part in a hundred million") {
  const golden::File file = stored_goldens();
  const Op& op = find_op("matmul");
  for (const Case& test_case : op.cases) {
    OracleRun run = run_oracle(op, test_case);
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
    if (!is_chosen(op.name)) continue;
    auto cases = nlohmann::json::array();
    for (const Case& test_case : op.cases) {
      const std::string key = op.name + "/" + test_case.name;
      const Values values = golden_inputs(op, test_case);
      for (size_t i = 0; i < values.size(); ++i)
        add(key + "/" + op.inputs[i].name, test_case.inputs[i].shape, values[i]);
      const OracleRun run = run_oracle(op, test_case);  // for the sizes of the outputs only
      for (size_t i = 0; i < run.outputs.size(); ++i) {
        const auto count = run.outputs[i].size();
        if (takes_gradient(op.outputs[i]))
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
