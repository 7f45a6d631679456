#include "autograd/op_run.h"

namespace saccade {

std::vector<double> cotangent(const std::string& case_name, size_t output, size_t count) {
  PhiloxStream random(0x5acc, output * 7919 + case_name.size());
  std::vector<double> values(count);
  for (double& v : values) v = static_cast<float>(bf16(random.normal()));
  return values;
}

OpRunner::OpRunner(Context& context, const Op& op, std::vector<Tensor> inputs, const Attributes& attributes)
    : random(Tensor::from<int64_t>(context, {2}, {17, 3})),
      context_(context),
      op_(op),
      inputs_(std::move(inputs)),
      attributes_(complete(op, attributes)) {
  check(inputs_.size() == op.inputs.size(), op.name, ": ", inputs_.size(), " inputs, not ", op.inputs.size());
  Tape setup(context);
  run_ = prepared(op, setup, constants(setup, inputs_), attributes_);
}

OpRunner::OpRunner(Context& context, const Op& op, const Case& test_case, DType dtype)
    : OpRunner(context, op, place_inputs(context, op, test_case, make_inputs(op, test_case, dtype), dtype),
               test_case.attributes) {}

void OpRunner::forward(bool with_gradients) {
  ends_.clear();
  outputs_.clear();
  gradients_.clear();
  results_.clear();
  places_.clear();
  Tape& tape = tape_.emplace(context_);
  tape.random = random;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const bool learns = with_gradients && takes_gradient(op_.inputs[i]);
    places_.push_back(learns ? tape.input(inputs_[i]) : tape.constant(inputs_[i]));
  }
  results_ = run_(tape, places_, attributes_);
  check(results_.size() == op_.outputs.size(), op_.name, " returned ", results_.size(), " outputs, not ",
        op_.outputs.size());
  for (size_t i = 0; i < results_.size(); ++i) {
    outputs_.push_back(results_[i].value);
    if (results_[i].needs_gradient() && takes_gradient(op_.outputs[i])) ends_.push_back(i);
  }
}

void OpRunner::backward(const std::vector<Tensor>& cotangents) {
  check(cotangents.size() == ends_.size(), op_.name, ": ", cotangents.size(), " cotangents, not ",
        ends_.size());
  std::vector<Variable> ends;
  for (const size_t i : ends_) ends.push_back(results_[i]);
  tape_->backward(ends, cotangents);
  // Here and not in gradient(): the zeros of an input that nothing reaches are made in the call, so a recording of the
  // call makes them, too.
  for (const Variable& place : places_)
    gradients_.push_back(place.needs_gradient() ? tape_->grad(place) : Tensor());
}

std::vector<Tensor> OpRunner::random_cotangents(const std::string& case_name) const {
  std::vector<Tensor> cotangents;
  for (const size_t i : ends_) {
    const Tensor& output = outputs_[i];
    const auto values = cotangent(case_name, i, static_cast<size_t>(output.count()));
    const Tensor exact = Tensor::from(context_, output.shape(), values);
    cotangents.push_back(converted(context_, exact, output.dtype()));
  }
  return cotangents;
}

}  // namespace saccade
