// What an entry says of its plain version: that it has a backward pass, or that it goes forward only.
#include "autograd/op_run.h"
#include "kernels/common/device.h"
#include "kernels/simt/recording.h"
#include "tests/common/catch.h"

using namespace saccade;

namespace {

// The kernels that the backward pass of a case launches, in order.
std::vector<const void*> backward_kernels(const Op& op, const Case& test_case, DType dtype, Kernels version) {
  Context context(Device::simt);
  context.kernels = version;
  OpRunner runner(context, op, test_case, dtype);
  runner.forward();
  if (runner.ends().empty()) return {};
  const std::vector<Tensor> cotangents = runner.random_cotangents(test_case.name);
  runner.backward(cotangents);  // so that the pool holds what the recorded pass needs
  runner.forward();
  begin_recording(context);
  runner.backward(cotangents);
  const auto recording = std::static_pointer_cast<simt::Recording>(end_recording(context));
  std::vector<const void*> kernels;
  for (const simt::Command& command : recording->commands)
    if (command.kind == simt::Command::launch) kernels.push_back(command.kernel);
  return kernels;
}

bool backward_differs(const Op& op, DType dtype) {
  for (const Case& test_case : op.cases)
    if (test_case.small && backward_kernels(op, test_case, dtype, Kernels::own) !=
                               backward_kernels(op, test_case, dtype, Kernels::plain))
      return true;
  return false;
}

}  // namespace

TEST_CASE(
    "a plain version has a backward pass of its own where its entry says so, and goes forward only "
    "elsewhere") {
  std::string reason;
  if (!is_available(Device::simt, &reason)) {
    WARN(reason);
    return;
  }
  for (const Op& op : all_ops()) {
    if (!op.versions) continue;
    INFO(op.name);
    // In f32 products have one kernel of ours for both versions, in bf16 they have two. Other ops have
    // two in both dtypes.
    CHECK(backward_differs(op, op.plain_backward ? DType::bf16 : DType::f32) == op.plain_backward);
  }
}
