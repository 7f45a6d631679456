#include "autograd/tape.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include "autograd/segment.h"
#include "kernels/elementwise/set_all.ref.h"

namespace saccade {

namespace {
uint64_t next_number() {
  static std::atomic<uint64_t> last = 0;
  return ++last;
}
}  // namespace

Tape::Tape(Context& context, std::vector<Learner*> learners)
    : context_(context), learners_(std::move(learners)), number_(next_number()) {}

Variable Tape::on_tape(const Tensor& value, bool leaf, Parameter* parameter) {
  slots_.push_back({Tensor(), value.shape(), value.dtype(), parameter, leaf});
  return {value, static_cast<int>(slots_.size()) - 1, number_};
}

Variable Tape::input(const Tensor& value) {
  return on_tape(value, true);
}

bool Tape::teaches(const Parameter& parameter) const {
  return parameter.trainable && !parameter.frozen() &&
         std::any_of(learners_.begin(), learners_.end(),
                     [&](const Learner* learner) { return &learner->parameters == parameter.arena; });
}

Variable Tape::leaf(Parameter& parameter, const Tensor& value) {
  if (context_.segment) context_.segment->involve(*parameter.arena);
  return teaches(parameter) ? on_tape(value, true, &parameter) : constant(value);
}

void Tape::check_is_here(const Variable& x, const char* what) const {
  check(x.tape == 0 || x.tape == number_, what,
        " of a variable that was computed on another tape: its gradient would reach the wrong variable. "
        "detached(variable) takes the value over as a constant");
}

std::vector<Variable> Tape::record_many(const std::vector<Tensor>& outputs,
                                        const std::vector<const Variable*>& inputs, BackwardOfMany backward) {
  bool needed = false;
  for (const Variable* x : inputs) {
    check_is_here(*x, context_.current_op);
    needed = needed || x->needs_gradient();
  }
  std::vector<Variable> variables;
  Node node{context_.current_op, {}, std::move(backward)};
  for (const Tensor& output : outputs) {
    if (find != Find::nothing) look_at(output);
    variables.push_back(needed ? on_tape(output, false) : Variable{output, -1, number_});
    if (needed) node.outputs.push_back(variables.back().slot);
  }
  if (needed) nodes_.push_back(std::move(node));
  return variables;
}

Variable Tape::record(const Tensor& output, const std::vector<const Variable*>& inputs, Backward backward) {
  return record_many({output}, inputs,
                     [backward = std::move(backward)](Tape& tape, const std::vector<Tensor>& grads) {
                       backward(tape, grads[0]);
                     })[0];
}

Tape::Target Tape::gradient_of(const Variable& x) {
  check_is_here(x, "the gradient");
  check(x.needs_gradient(), "a gradient is written for a variable that needs none");
  Slot& slot = slots_[static_cast<size_t>(x.slot)];
  if (slot.parameter && slot.parameter->grad.dtype() == slot.dtype) {
    slot.parameter->grad.mark_written();
    return {slot.parameter->grad, std::exchange(slot.parameter->grad_written, true)};
  }
  if (slot.parameter && !slot.grad)
    arrivals_.push_back(x.slot);  // written in bf16; take_arrivals() adds it in f32
  if (!slot.grad) {
    slot.grad = Tensor(context_, slot.shape, slot.dtype);
    return {slot.grad, false};
  }
  if (!slot.grad.is_only_owner()) slot.grad = copy_of(context_, slot.grad);  // shared with another variable
  slot.grad.mark_written();
  return {slot.grad, true};
}

void Tape::add_gradient(const Variable& x, const Tensor& grad) {
  check_is_here(x, "the gradient");
  if (!x.needs_gradient()) return;
  Slot& slot = slots_[static_cast<size_t>(x.slot)];
  check(grad.shape() == slot.shape, context_.current_op ? context_.current_op : "backward",
        ": a gradient of shape ", grad.shape().text(), " for a value of shape ", slot.shape.text());
  if (slot.parameter) return add_to_parameter(*slot.parameter, grad);
  if (!slot.grad) {
    slot.grad = grad;
    return;
  }
  add_in_place(context_, gradient_of(x).tensor, grad);
}

void Tape::add_to_parameter(Parameter& parameter, const Tensor& grad) {
  if (std::exchange(parameter.grad_written, true))
    add_in_place(context_, parameter.grad, grad);
  else
    assign(context_, parameter.grad, grad);
}

void Tape::take_arrivals() {
  for (const int index : arrivals_) {
    Slot& slot = slots_[static_cast<size_t>(index)];
    add_to_parameter(*slot.parameter, std::exchange(slot.grad, Tensor()));
  }
  arrivals_.clear();
}

void Tape::backward(const Variable& loss) {
  check(loss.value.count() == 1, "backward without a cotangent needs a scalar, not ", loss.shape().text());
  const Tensor one = empty_like(loss.value);
  dispatch(context_, one.dtype(),
           [&]<Device D, class T>() { SetAll<D>::to(context_, 1, 1.0, one.data<T>()); });
  backward({loss}, {one});
}

void Tape::backward(const std::vector<Variable>& outputs, const std::vector<Tensor>& grads) {
  check(!backward_begun_,
        "a second backward on one tape: what it needs was freed by the first. Give all outputs to one "
        "backward, "
        "or compute them on a tape of their own");
  check(outputs.size() == grads.size(), "backward from ", outputs.size(), " outputs with ", grads.size(),
        " cotangents");
  for (const Variable& output : outputs) {
    check_is_here(output, "backward");
    check(output.needs_gradient(),
          "backward from what depends on nothing that this tape teaches: name the learner when the tape is "
          "made");
  }
  backward_begun_ = true;
  try {
    for (size_t i = 0; i < outputs.size(); ++i) add_gradient(outputs[i], grads[i]);
    while (!nodes_.empty()) run_last_node();
  } catch (...) {
    for (Learner* learner : learners_) learner->drop_gradients();  // some are half written
    throw;
  }
  backward_done_ = true;
  context_.current_op = nullptr;
}

void Tape::run_last_node() {
  const Node node = std::move(nodes_.back());
  nodes_.pop_back();
  std::vector<Tensor> node_grads;
  bool flows = false;
  for (int slot : node.outputs) {
    node_grads.push_back(std::exchange(slots_[static_cast<size_t>(slot)].grad, Tensor()));
    flows = flows || node_grads.back();
  }
  context_.current_op = node.op;
  if (flows) node.backward(*this, node_grads);
  take_arrivals();
}

Tensor Tape::grad(const Variable& x) const {
  check_is_here(x, "grad()");
  check(x.needs_gradient(), "grad() of a variable that needs no gradient");
  check(backward_done_, "grad() before backward: there is no gradient yet");
  const Slot& slot = slots_[static_cast<size_t>(x.slot)];
  check(!slot.parameter, "the gradient of a parameter is Parameter::grad, to which other tapes add");
  check(slot.leaf,
        "grad() of a value that was computed on the tape: its gradient is not kept. Cut the tape there: go "
        "on from "
        "tape.input(detached(value).value) on a tape of its own, and give that gradient to backward here");
  return slot.grad ? slot.grad : Tensor::zeros(context_, slot.shape, slot.dtype);
}

void Tape::look_at(const Tensor& output) const {
  if (output.dtype() != DType::f32 && output.dtype() != DType::bf16) return;
  for (float value : converted(context_, output, DType::f32).to_host<float>(context_)) {
    check(!std::isnan(value), "NaN: first made by the op ", context_.current_op);
    check(find == Find::nan || std::isfinite(value), "infinity: first made by the op ", context_.current_op);
  }
}

}  // namespace saccade
