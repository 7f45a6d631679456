#include <algorithm>
#include <set>

#include "autograd/op_check.h"
#include "kernels/common/device.h"
#include "tests/common/catch.h"
#include "tests/common/chosen_ops.h"

using namespace saccade;

namespace {
// Every case of every op that has a version for the context's device.
void check_all(Context& context, DType dtype, bool small_only) {
  WARN(chosen_of(all_ops()));
  for (const Op& op : all_ops()) {
    if (!is_chosen(op.name)) continue;
    if (std::count(op.devices.begin(), op.devices.end(), context.device()) == 0) continue;
    for (const Kernels kernels : versions_of(op, context.device())) {
      context.kernels = kernels;
      double worst = 0;
      for (const Case& test_case : op.cases) {
        if (small_only && !test_case.small) continue;
        const CheckResult result = check_parity(op, test_case, context, dtype);
        INFO(result.failure);
        CHECK(result.passed);
        worst = std::max(worst, result.worst);
      }
      WARN(op.name << " on " << name_of(context.device()) << " " << name_of(dtype) << " (" << name_of(kernels)
                   << "): largest error " << worst << " eps S");
    }
  }
}
}  // namespace

TEST_CASE("every op agrees with the f64 oracle, values and gradients") {
  Context context(Device::cpu, 0, 2);
  check_all(context, DType::f32, false);
}

TEST_CASE("every op's CUDA source, run on simt, agrees with the f64 oracle") {
  std::string reason;
  if (!is_available(Device::simt, &reason)) {
    WARN(reason);
    return;
  }
  Context context(Device::simt);
  for (const DType dtype : {DType::f32, DType::bf16}) check_all(context, dtype, true);
}

TEST_CASE("every op agrees with the f64 oracle on the GPU") {
  std::string reason;
  if (!is_available(Device::cuda, &reason)) {
    WARN(reason);
    return;
  }
  Context context(Device::cuda);
  for (const DType dtype : {DType::f32, DType::bf16}) check_all(context, dtype, false);
}

TEST_CASE("every op's gradient agrees with finite differences") {
  for (const Op& op : all_ops()) {
    if (!is_chosen(op.name)) continue;
    int64_t compared = 0;
    for (const Case& test_case : op.cases) {
      if (test_case.kink || !test_case.small) continue;
      const CheckResult result = check_gradient(op, test_case);
      INFO(result.failure);
      CHECK(result.passed);
      compared += result.compared;
    }
    bool learns = false;
    for (const auto& input : op.inputs)
      learns = learns || (input.kind == Kind::floating && input.differentiable);
    bool gives = false;
    for (const auto& output : op.outputs)
      gives = gives || (output.kind == Kind::floating && output.differentiable);
    INFO(op.name << " has no case that checks its gradient");
    CHECK((compared > 0 || !learns || !gives));
  }
}

TEST_CASE("the gradient check sees a gradient that is one percent wrong") {
  for (const Op& op : all_ops()) {
    if (!is_chosen(op.name)) continue;
    int64_t compared = 0;
    bool seen = false;
    for (const Case& test_case : op.cases) {
      if (test_case.kink || !test_case.small) continue;
      const CheckResult result = check_gradient(op, test_case, 1.01);
      compared += result.compared;
      seen = seen || !result.passed;
    }
    INFO(op.name);
    CHECK((seen || compared == 0));
  }
}

TEST_CASE("an index may be another one where it is as good, and only there") {
  // The largest of four numbers; the f32 version answers `answer` whatever they are.
  int64_t answer = 0;
  Op op;
  op.name = "largest";
  op.inputs = {{.name = "x", .differentiable = false}};
  op.outputs = {{"index", Kind::i64}};
  op.run = [&](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
    if (in[0].dtype() == DType::f32)
      return {tape.constant(Tensor::from<int64_t>(tape.context(), {1}, {answer}))};
    const auto x = converted(tape.context(), in[0].value, DType::f64).to_host<double>(tape.context());
    const int64_t best = std::max_element(x.begin(), x.end()) - x.begin();
    return {tape.constant(Tensor::from<int64_t>(tape.context(), {1}, {best}))};
  };
  // What the index is picked by has terms of size 1000: in f32 the first two are as good as each other.
  const Pick pick = [](const Case&, const std::vector<std::vector<double>>& inputs, size_t, int64_t i) {
    return i < 0 || i > 3 ? Bound(NAN) : Bound(inputs[0][static_cast<size_t>(i)], 1000);
  };
  const Case near{.name = "near",
                  .inputs = {{{4}, {Fill::values, 0, 1, {1, 1 + 0x1p-20, 0.5, 1 + 0x1p-20}}}}};
  Context context(Device::cpu, 0, 1);
  const auto passes = [&](int64_t index) {
    answer = index;
    return check_parity(op, near, context, DType::f32).passed;
  };
  CHECK(passes(1));
  CHECK(!passes(0));
  op.outputs[0].pick = pick;
  CHECK(passes(1));
  CHECK(passes(0));   // as good within rounding
  CHECK(!passes(2));  // worse
  CHECK(!passes(3));  // an exact tie goes to the lowest index
  CHECK(!passes(4));  // no index at all
  CHECK(!passes(-1));
}

TEST_CASE("no op escapes: each has cases, a floor and reasons for its loosened tolerances") {
  CHECK(all_ops().size() > 0);
  for (const Op& op : all_ops()) {
    INFO(op.name);
    CHECK(!op.cases.empty());
    CHECK(op.floor != nullptr);
    std::set<std::string> names;
    for (const Case& test_case : op.cases) {
      CHECK(names.insert(test_case.name).second);
      CHECK((test_case.tolerance == 0 || !test_case.why.empty()));
      std::vector<Shape> shapes;
      for (const auto& input : test_case.inputs) shapes.push_back(input.shape);
      if (op.floor) CHECK(op.floor(shapes, complete(op, test_case.attributes), 4).bytes >= 0);
    }
  }
}
