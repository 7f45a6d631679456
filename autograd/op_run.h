// One run of a registered op, forward and backward: how tests, benchmarks and tools/op all call it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "autograd/registry/registry.h"

namespace saccade {

// The random cotangent of output `output` of a case: the same for every dtype, as bf16 holds each number exactly.
std::vector<double> cotangent(const std::string& case_name, size_t output, size_t count);

// An op on given inputs, as often as wanted.
class OpRunner {
 public:
  // The inputs lie on the context's device, in the dtypes that dtype_for() says. Attributes that have a fallback may be
  // left out. Tables that the host makes of the inputs are made here.
  OpRunner(Context& context, const Op& op, std::vector<Tensor> inputs, const Attributes& attributes);
  // On the inputs and attributes of a case.
  OpRunner(Context& context, const Op& op, const Case& test_case, DType dtype);
  OpRunner(const OpRunner&) = delete;

  // Runs the op on a new tape, after giving back what the last call left. Without gradients all inputs are constants,
  // and nothing is kept for backward.
  void forward(bool with_gradients = true);
  // Once after each forward(), with a cotangent for each of ends(), in their order.
  void backward(const std::vector<Tensor>& cotangents);

  const std::vector<Tensor>& inputs() const { return inputs_; }
  const std::vector<Tensor>& outputs() const { return outputs_; }
  const std::vector<size_t>& ends() const { return ends_; }  // the outputs that a cotangent comes to
  std::vector<Tensor> random_cotangents(const std::string& case_name) const;  // cotangent() of each of ends()
  // Of the last backward(): empty where the input takes none, zeros where no cotangent reaches it.
  const Tensor& gradient(size_t input) const { return gradients_.at(input); }

  Tensor random;  // the state that random ops draw from; seed 17, step 3

 private:
  Context& context_;
  const Op& op_;
  std::vector<Tensor> inputs_;
  Attributes attributes_;
  OpRun run_;
  // Of the last call.
  std::optional<Tape> tape_;
  std::vector<Variable> places_, results_;  // of the inputs and of the outputs on the tape
  std::vector<Tensor> outputs_, gradients_;
  std::vector<size_t> ends_;
};

}  // namespace saccade
