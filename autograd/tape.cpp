#include "autograd/tape.h"

#include <cmath>
#include <utility>

#include "kernels/elementwise/set_all.ref.h"

namespace saccade {

int Tape::new_slot(const Tensor& value, Parameter* parameter) {
  slots_.push_back({Tensor(), value.shape(), value.dtype(), parameter});
  return static_cast<int>(slots_.size()) - 1;
}

Variable Tape::input(const Tensor& value) {
  return {value, record_ ? new_slot(value) : -1};
}

Variable Tape::leaf(Parameter& parameter, const Tensor& value) {
  const bool learns = record_ && parameter.trainable && !parameter.frozen;
  return {value, learns ? new_slot(value, &parameter) : -1};
}

Variable Tape::parameter(Parameter& parameter) {
  return leaf(parameter, parameter.value);
}

Variable Tape::weight(Parameter& parameter) {
  return leaf(parameter, parameter.narrow ? parameter.narrow : parameter.value);
}

std::vector<Variable> Tape::record_many(const std::vector<Tensor>& outputs,
                                        std::initializer_list<const Variable*> inputs,
                                        BackwardOfMany backward) {
  bool needed = false;
  for (const Variable* x : inputs) needed = needed || x->needs_gradient();
  std::vector<Variable> variables;
  Node node{context_.current_op, {}, std::move(backward)};
  for (const Tensor& output : outputs) {
    if (find_nan) look_for_nan(output);
    variables.push_back({output, needed ? new_slot(output) : -1});
    if (needed) node.outputs.push_back(variables.back().slot);
  }
  if (needed) nodes_.push_back(std::move(node));
  return variables;
}

Variable Tape::record(const Tensor& output, std::initializer_list<const Variable*> inputs,
                      Backward backward) {
  return record_many({output}, inputs,
                     [backward = std::move(backward)](Tape& tape, const std::vector<Tensor>& grads) {
                       backward(tape, grads[0]);
                     })[0];
}

Tape::Target Tape::gradient_of(const Variable& x) {
  check(x.needs_gradient(), "a gradient is written for a variable that needs none");
  Slot& slot = slots_[static_cast<size_t>(x.slot)];
  if (slot.parameter && slot.parameter->grad.dtype() == slot.dtype) {
    slot.parameter->grad.mark_written();
    return {slot.parameter->grad, std::exchange(slot.parameter->grad_written, true)};
  }
  if (slot.parameter && !slot.grad) arrivals_.push_back(x.slot);  // written narrow; take_arrivals() widens it
  if (!slot.grad) {
    slot.grad = Tensor(context_, slot.shape, slot.dtype);
    return {slot.grad, false};
  }
  if (!slot.grad.is_only_owner()) slot.grad = copy_of(context_, slot.grad);  // shared with another variable
  slot.grad.mark_written();
  return {slot.grad, true};
}

void Tape::add_gradient(const Variable& x, const Tensor& grad) {
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
  for (size_t i = 0; i < outputs.size(); ++i) add_gradient(outputs[i], grads[i]);
  while (!nodes_.empty()) {
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
  context_.current_op = nullptr;
}

Tensor Tape::grad(const Variable& x) const {
  check(x.needs_gradient(), "grad() of a variable that needs no gradient");
  const Slot& slot = slots_[static_cast<size_t>(x.slot)];
  if (slot.parameter) return slot.parameter->grad;
  return slot.grad ? slot.grad : Tensor::zeros(context_, slot.shape, slot.dtype);
}

void Tape::look_for_nan(const Tensor& output) const {
  if (output.dtype() != DType::f32 && output.dtype() != DType::bf16) return;
  for (float value : converted(context_, output, DType::f32).to_host<float>(context_))
    check(!std::isnan(value), "NaN: first made by the op ", context_.current_op);
}

}  // namespace saccade
