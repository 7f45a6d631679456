// The same seed, device and number of threads give the same bits: every op, every case, outputs and gradients.
#include <cstring>

#include "autograd/op_run.h"
#include "kernels/common/device.h"
#include "tests/common/catch.h"
#include "tests/common/chosen_ops.h"

using namespace saccade;

namespace {

std::vector<std::byte> bytes_of(Context& context, const Tensor& tensor) {
  std::vector<std::byte> bytes(tensor.bytes());
  tensor.read(context, bytes.data());
  return bytes;
}

// Sets what the memory of the next tensors holds: a result that changes with it depends on memory that
// was never written.
void fill_free_memory(Context& context, int value) {
  for (int64_t bytes = 256; bytes <= int64_t{1} << 22; bytes *= 2) {
    std::vector<Tensor> some;
    for (int i = 0; i < 4; ++i) {
      some.emplace_back(context, Shape{bytes}, DType::u8);
      std::memset(some.back().raw(), value, some.back().bytes());
    }
  }
}

// The bits of all outputs and input gradients.
std::vector<std::vector<std::byte>> run(Context& context, const Op& op, const Case& test_case, int memory) {
  fill_free_memory(context, memory);
  OpRunner runner(context, op, test_case, DType::f32);
  runner.forward();
  runner.backward(runner.random_cotangents(test_case.name));
  std::vector<std::vector<std::byte>> bits;
  for (const Tensor& output : runner.outputs()) bits.push_back(bytes_of(context, output));
  for (size_t i = 0; i < op.inputs.size(); ++i)
    if (takes_gradient(op.inputs[i])) bits.push_back(bytes_of(context, runner.gradient(i)));
  return bits;
}

}  // namespace

TEST_CASE("every op gives the same bits run after run, whatever its memory held before") {
  for (int threads : {1, 2}) {
    Context first(Device::cpu, 0, threads), second(Device::cpu, 0, threads);
    for (const Op& op : all_ops())
      for (const Case& test_case : op.cases) {
        if (!is_chosen(op.name)) continue;
        const auto bits = run(first, op, test_case, 0x00);
        INFO(op.name << "/" << test_case.name << " with " << threads << " threads");
        CHECK((bits == run(first, op, test_case, 0x7f)));
        CHECK((bits == run(second, op, test_case, 0xff)));
      }
  }
}

TEST_CASE("ops whose bits depend on the number of threads are named") {
  Context one(Device::cpu, 0, 1), two(Device::cpu, 0, 2);
  std::string named;
  for (const Op& op : all_ops())
    for (const Case& test_case : op.cases)
      if (is_chosen(op.name) && run(one, op, test_case, 0) != run(two, op, test_case, 0)) {
        // Vendor libraries split sums over threads, which is why a checkpoint keeps the thread count;
        // our kernels do not.
        INFO(op.name << "/" << test_case.name);
        CHECK(op.library);
        named += " " + op.name + "/" + test_case.name;
      }
  WARN("bits depend on the thread count:" << (named.empty() ? " none" : named));
}
