// Every registered op, without naming one: parity of each device with the f64 oracle, gradients by finite differences,
// and what an entry must have.
#include <algorithm>
#include <set>

#include "autograd/functions/elementwise.h"
#include "autograd/op_check.h"
#include "autograd/op_run.h"
#include "kernels/common/device.h"
#include "tests/autograd/op_goldens.h"
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
// What is wrong with the op's gradient, by finite differences. An op that stops gradients on purpose is left
// out, and needs goldens instead.
std::vector<std::string> gradient_failures(const Op& op, const golden::File& goldens) {
  if (!op.stops_gradient.empty()) {
    if (has_goldens(goldens, op)) return {};
    return {op.name + " stops gradients, so that finite differences cannot check it, and has no goldens"};
  }
  std::vector<std::string> failures;
  int64_t compared = 0;
  for (const Case& test_case : op.cases) {
    if (test_case.kink || !test_case.small) continue;
    const CheckResult result = check_gradient(op, test_case);
    if (!result.passed) failures.push_back(result.failure);
    compared += result.compared;
  }
  const bool learns = std::any_of(op.inputs.begin(), op.inputs.end(), takes_gradient);
  const bool gives = std::any_of(op.outputs.begin(), op.outputs.end(), takes_gradient);
  if (compared == 0 && learns && gives) failures.push_back(op.name + " has no case that checks its gradient");
  return failures;
}
}  // namespace

TEST_CASE("every op agrees with the f64 oracle, values and gradients") {
  Context context(Device::cpu, 0, 2);
  for (const DType dtype : {DType::f32, DType::bf16}) check_all(context, dtype, false);
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
  const golden::File goldens = stored_goldens();
  for (const Op& op : all_ops()) {
    if (!is_chosen(op.name)) continue;
    if (!op.stops_gradient.empty())
      WARN(op.name << " is held to its goldens, not to finite differences: " << op.stops_gradient);
    for (const std::string& failure : gradient_failures(op, goldens)) FAIL_CHECK(failure);
  }
}

TEST_CASE("the gradient check sees a gradient that is one percent wrong") {
  for (const Op& op : all_ops()) {
    if (!is_chosen(op.name) || !op.stops_gradient.empty()) continue;
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

TEST_CASE("an op that stops gradients is held to its goldens, and fails without them") {
  // y = x x, where one factor counts as a constant: the gradient is x grad_y, not the derivative 2 x grad_y.
  Op op;
  op.name = "half_square";
  op.inputs = {{"x"}};
  op.outputs = {{"y"}};
  op.run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
    return {mul(tape, in[0], tape.constant(in[0].value))};
  };
  op.cases = {{.name = "four", .inputs = {{{4}, {Fill::values, 0, 1, {1, -2, 0.5, 3}}}}}};
  const std::vector<double> x = {1, -2, 0.5, 3}, y = {1, 4, 0.25, 9};
  const auto goldens_with = [&](double factor) {  // of the gradient
    std::vector<double> grad = cotangent("four", 0, 4);
    for (size_t i = 0; i < 4; ++i) grad[i] *= factor * x[i];
    const std::vector<double> inputs = {golden::projection(x, 0)};
    const std::string path = SACCADE_BINARY_DIR "/goldens_of_half_square.safetensors";
    const std::vector<TensorView> tensors = {{"half_square/four/inputs", DType::f64, {1}, inputs.data()},
                                             {"half_square/four/y", DType::f64, {4}, y.data()},
                                             {"half_square/four/grad_x", DType::f64, {4}, grad.data()}};
    write_safetensors(path, tensors, {});
    return golden::File(path);
  };
  const golden::File right = goldens_with(1), whole_derivative = goldens_with(2), none = stored_goldens();
  const auto agrees = [&](const golden::File& goldens) {
    GoldenResult result;
    hold_to_goldens(goldens, op, result);
    return result.failures.empty();
  };
  // Finite differences see it as long as the op gives no reason.
  CHECK_FALSE(gradient_failures(op, right).empty());
  op.stops_gradient = "the second factor is a constant";
  CHECK(gradient_failures(op, right).empty());
  CHECK_FALSE(gradient_failures(op, none).empty());
  CHECK(agrees(right));
  CHECK_FALSE(agrees(whole_derivative));
  CHECK_FALSE(agrees(none));
}

TEST_CASE("the table is sorted, and refuses two ops of one name and a list out of order") {
  const auto named = [](const std::string& name) {
    Op op;
    op.name = name;
    op.run = [](Tape&, const std::vector<Variable>& in, const Attributes&) { return in; };
    return op;
  };
  std::string names;
  for (const Op& op : joined({{named("b"), named("d")}, {named("a"), named("c")}})) names += op.name;
  CHECK(names == "abcd");
  CHECK_THROWS_WITH(joined({{named("b"), named("a")}}),
                    ContainsSubstring("not in alphabetical order: a stands behind b"));
  CHECK_THROWS_WITH(joined({{named("a"), named("a")}}), ContainsSubstring("two ops are called a"));
  CHECK_THROWS_WITH(joined({{named("a")}, {named("a")}}), ContainsSubstring("two ops are called a"));
  Op none = named("none");
  none.run = nullptr;
  CHECK_THROWS_WITH(joined({{none}}), ContainsSubstring("none needs one of `run` and `prepare`"));
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
  // The numbers that decide the index have terms of size 1000, so in f32 the first two are equally good.
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
