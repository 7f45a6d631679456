// What bench_gpu measures as a graph can be one: recorded on simt, which refuses what a CUDA graph does,
// every op's forward and backward pass read nothing on the host, write nothing there and allocate nothing.
#include <algorithm>

#include "autograd/op_run.h"
#include "bench/cases.h"
#include "bench/timing.h"
#include "tests/common/catch.h"
#include "tests/common/chosen_ops.h"

using namespace saccade;

namespace {

std::vector<std::vector<std::byte>> bits_of(Context& context, const std::vector<Tensor>& tensors) {
  std::vector<std::vector<std::byte>> bits;
  for (const Tensor& tensor : tensors) tensor.read(context, bits.emplace_back(tensor.bytes()).data());
  return bits;
}

// Outputs, then gradients.
std::vector<Tensor> results_of(const OpRunner& runner) {
  std::vector<Tensor> results = runner.outputs();
  for (size_t i = 0; i < runner.inputs().size(); ++i)
    if (const Tensor gradient = runner.gradient(i)) results.push_back(gradient);
  return results;
}

bool holds(const std::vector<Tensor>& all, const Tensor& tensor) {
  return std::any_of(all.begin(), all.end(), [&](const Tensor& one) { return one.raw() == tensor.raw(); });
}

// Calls the op, records a second call, and compares the bits of its replay.
void check_recording(Context& context, const Op& op, const Case& test_case, DType dtype) {
  OpRunner runner(context, op, test_case, dtype);
  runner.forward();
  const std::vector<Tensor> cotangents = runner.random_cotangents(test_case.name);
  runner.backward(cotangents);
  const auto expected = bits_of(context, results_of(runner));
  bench::Graph graph(context, [&] {
    runner.forward();
    runner.backward(cotangents);
  });
  const std::vector<Tensor> results = results_of(runner);
  // Overwrites the results, since their memory may hold the expected bits already. A result that the call was
  // given, as the gradient of a sum is its cotangent, stays.
  for (const Tensor& tensor : results)
    if (!holds(runner.inputs(), tensor) && !holds(cotangents, tensor))
      tensor.write(context, std::vector<std::byte>(tensor.bytes(), std::byte{0xa5}).data());
  graph.replay();
  CHECK((bits_of(context, results) == expected));
}

}  // namespace

TEST_CASE("every op that bench_gpu measures can be recorded, and a replay gives the bits of a call") {
  std::string reason;
  if (!is_available(Device::simt, &reason)) {
    WARN(reason);
    return;
  }
  for (const Op& op : all_ops())
    for (const Case& test_case : bench::cases_of(op, SACCADE_SOURCE_DIR "/bench/shapes.json", true))
      for (const DType dtype : {DType::f32, DType::bf16})
        for (const Kernels kernels : versions_of(op, Device::simt)) {
          if (!is_chosen(op.name)) continue;
          INFO(op.name << "/" << test_case.name << " " << name_of(dtype) << " " << name_of(kernels));
          Context context(Device::simt);
          context.kernels = kernels;
          CHECK_NOTHROW(check_recording(context, op, test_case, dtype));
        }
}
