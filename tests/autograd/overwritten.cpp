// No backward pass uses a value that was overwritten since forward: it refuses to run, or it did not need the value.
// Every registered op, every small case, one input or output at a time.
#include <algorithm>

#include "autograd/functions/common.h"
#include "autograd/functions/elementwise.h"
#include "autograd/op_run.h"
#include "kernels/common/device.h"
#include "tests/common/catch.h"
#include "tests/common/chosen_ops.h"

using namespace saccade;

namespace {

using Bits = std::vector<std::vector<std::byte>>;

// Writes other values into the tensor; false if that changed nothing. Integers become 0, because kernels
// trust an index, and 0 is a valid one wherever any is.
bool overwrite(Context& context, const Tensor& tensor) {
  if (tensor.dtype() == DType::f32) {
    std::vector<float> values = tensor.to_host<float>(context);
    for (float& value : values) value = 0.3f - 0.75f * value;
    tensor.write(context, values.data());
    return !values.empty();
  }
  std::vector<std::byte> bytes(tensor.bytes());
  tensor.read(context, bytes.data());
  const std::vector<std::byte> zeros(bytes.size());
  tensor.write(context, zeros.data());
  return bytes != zeros;
}

Bits gradients_of(Context& context, OpRunner& runner, const std::string& case_name) {
  runner.backward(runner.random_cotangents(case_name));
  Bits bits;
  for (size_t i = 0; i < runner.inputs().size(); ++i)
    if (const Tensor gradient = runner.gradient(i))
      gradient.read(context, bits.emplace_back(gradient.bytes()).data());
  return bits;
}

// The inputs and outputs that the op's backward pass uses although they were overwritten, a line each.
std::vector<std::string> uses_overwritten(Context& context, const Op& op, const Case& test_case) {
  OpRunner untouched(context, op, test_case, DType::f32);
  untouched.forward();
  if (untouched.ends().empty()) return {};
  const Bits expected = gradients_of(context, untouched, test_case.name);
  std::vector<std::string> found;
  for (size_t i = 0; i < op.inputs.size() + op.outputs.size(); ++i) {
    const bool is_input = i < op.inputs.size();
    const size_t at = is_input ? i : i - op.inputs.size();
    OpRunner runner(context, op, test_case, DType::f32);
    runner.forward();
    if (!overwrite(context, is_input ? runner.inputs()[at] : runner.outputs()[at])) continue;
    try {
      if (gradients_of(context, runner, test_case.name) == expected) continue;
    } catch (const Error& error) {
      if (std::string(error.what()).find("overwritten") != std::string::npos) continue;
    }
    found.push_back(op.name + "/" + test_case.name + ": " +
                    (is_input ? op.inputs[at].name : op.outputs[at].name));
  }
  return found;
}

}  // namespace

TEST_CASE("no op's gradient uses a value that was overwritten after forward") {
  for (const Device device : {Device::cpu, Device::simt}) {
    std::string reason;
    if (!is_available(device, &reason)) {
      WARN(reason);
      continue;
    }
    Context context(device, 0, 1);
    for (const Op& op : all_ops())
      for (const Case& test_case : op.cases)
        if (is_chosen(op.name) && test_case.small &&
            std::count(op.devices.begin(), op.devices.end(), device) > 0)
          for (const std::string& what : uses_overwritten(context, op, test_case))
            FAIL_CHECK(name_of(device) << ", " << what << " was overwritten, and backward used it");
  }
}

TEST_CASE("the search for values that are used although they were overwritten finds one") {
  // y = x x with its gradient 2 x grad_y, once from an x that is watched and once from one that is not.
  const auto square = [](bool watched) {
    Op op;
    op.name = "square";
    op.inputs = {{"x"}};
    op.outputs = {{"y"}};
    op.run = [watched](Tape& tape, const std::vector<Variable>& in, const Attributes&) {
      tape.begin("square");
      const Tensor& x = in[0].value;
      const auto product = [](Context& context, const Tensor& a, const Tensor& b) {
        Tape inner(context);
        return mul(inner, inner.constant(a), inner.constant(b)).value;
      };
      const auto backward = [=, slot = slot_of(in[0]), saved = Saved(x)](Tape& t, const Tensor& grad_y) {
        const Tensor half = product(t.context(), watched ? saved.get() : x, grad_y);
        t.add_gradient(slot, half);
        t.add_gradient(slot, half);
      };
      return std::vector<Variable>{tape.record(product(tape.context(), x, x), {&in[0]}, backward)};
    };
    return op;
  };
  Context context(Device::cpu, 0, 1);
  const Case three{.name = "three", .inputs = {{{3}}}};
  CHECK(uses_overwritten(context, square(true), three).empty());
  CHECK(uses_overwritten(context, square(false), three) == std::vector<std::string>{"square/three: x"});
}
