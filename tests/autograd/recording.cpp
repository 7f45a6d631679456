// What bench_gpu measures as a graph can be one: recorded on simt, which refuses what a CUDA graph does,
// every op's call and its way back read nothing on the host, write nothing there and allocate nothing.
#include "autograd/op_check.h"
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

// An op on the inputs of a case, forward and back.
class Work {
 public:
  Work(Context& context, const Op& op, const Case& test_case, DType dtype)
      : context_(context), op_(op), attributes_(complete(op, test_case.attributes)) {
    random_ = Tensor::from<int64_t>(context, {2}, {17, 3});
    Tape tape(context);
    inputs_ = place_inputs(tape, op, test_case, make_inputs(op, test_case, dtype), dtype);
    run_ = prepared(op, tape, inputs_, attributes_);
  }

  // Outputs, then gradients.
  std::vector<Tensor> call() {
    Tape tape(context_);
    tape.random = random_;
    std::vector<Variable> in, ends;
    for (const Variable& x : inputs_)
      in.push_back(x.needs_gradient() ? tape.input(x.value) : tape.constant(x.value));
    std::vector<Tensor> results;
    for (const Variable& output : run_(tape, in, attributes_)) {
      if (output.needs_gradient() && op_.outputs[results.size()].differentiable) ends.push_back(output);
      results.push_back(output.value);
    }
    for (size_t i = cotangents_.size(); i < ends.size(); ++i)  // in the first call
      cotangents_.push_back(
          bench::place(context_, {"", Kind::floating}, {ends[i].shape(), {}}, ends[i].dtype(), i));
    tape.backward(ends, cotangents_);
    for (const Variable& x : in)
      if (x.needs_gradient()) results.push_back(tape.grad(x));
    return results;
  }

  // Whether a result is what the call was given: the gradient of a sum is its cotangent.
  bool is_given(const Tensor& tensor) const {
    for (const Variable& x : inputs_)
      if (x.value.raw() == tensor.raw()) return true;
    for (const Tensor& cotangent : cotangents_)
      if (cotangent.raw() == tensor.raw()) return true;
    return false;
  }

 private:
  Context& context_;
  const Op& op_;
  Attributes attributes_;
  Tensor random_;
  std::vector<Variable> inputs_;
  std::vector<Tensor> cotangents_;
  OpRun run_;
};

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
          Work work(context, op, test_case, dtype);
          std::vector<Tensor> results = work.call();
          const auto expected = bits_of(context, results);
          results = work.call();  // beside the first one's: the pool has room for one more
          const auto record = [&] {
            bench::Graph graph(context, [&] { results = work.call(); });
            // The pool may have given memory that holds the bits of the first call.
            for (const Tensor& tensor : results)
              if (!work.is_given(tensor))
                tensor.write(context, std::vector<std::byte>(tensor.bytes(), std::byte{0xa5}).data());
            graph.replay();
          };
          CHECK_NOTHROW(record());
          CHECK((bits_of(context, results) == expected));
        }
}
