#include "autograd/learner.h"

#include "autograd/segment.h"

namespace saccade {

void Learner::start(Context& context, uint64_t seed, const std::optional<OptimizerConfig>& optimizer,
                    DType dtype) {
  check(context_ == nullptr, "a learner starts once");
  context_ = &context;
  parameters.allocate(context, seed, dtype);
  if (optimizer) optimizer_.emplace(context, parameters, *optimizer);
}

Optimizer& Learner::optimizer() {
  check(context_ != nullptr, "a learner moves after start()");
  check(optimizer_.has_value(), "this learner has no optimizer: it was started to be followed, not to move");
  return *optimizer_;
}

void Learner::set_learning_rate(double rate) {
  optimizer().set_learning_rate(*context_, rate);
}

void Learner::step(const Tensor& guard) {
  if (context_ && context_->segment) context_->segment->involve(parameters);
  Optimizer& moves = optimizer();
  parameters.finish_gradients(*context_);
  moves.step(*context_, guard ? guard.data<float>() : nullptr);
  parameters.begin_step();
}

void Learner::update_spans() {
  if (optimizer_) optimizer_->update_spans(*context_, parameters);
}

void Learner::freeze(const std::string& prefix, bool on) {
  parameters.freeze(prefix, on);
  update_spans();
}

void Learner::set_group(const std::string& prefix, int group) {
  parameters.set_group(prefix, group);
  update_spans();
}

std::vector<std::pair<std::string, Tensor>> Learner::state() const {
  return optimizer_ ? optimizer_->state() : std::vector<std::pair<std::string, Tensor>>();
}

}  // namespace saccade
