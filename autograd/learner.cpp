#include "autograd/learner.h"

#include "autograd/segment.h"

namespace saccade {

void Learner::start(Context& context, uint64_t seed, const std::optional<OptimizerConfig>& optimizer,
                    DType dtype) {
  check(context_ == nullptr, "a learner starts once");
  context_ = &context;
  parameters.allocate(context, seed, dtype);
  if (optimizer) optimizer_.emplace(context, parameters, *optimizer);
  spans_version_ = parameters.version();
}

Optimizer& Learner::optimizer() {
  check(context_ != nullptr, "a learner moves after start()");
  check(optimizer_.has_value(), "this learner has no optimizer: it was started to be followed, not to move");
  return *optimizer_;
}

void Learner::set_learning_rate(double rate) {
  optimizer().set_learning_rate(*context_, rate);
}

void Learner::involve() {
  if (context_ && context_->segment) context_->segment->involve(parameters);
}

void Learner::step(const Tensor& guard) {
  involve();
  Optimizer& moves = optimizer();
  check(parameters.version() == spans_version_,
        "parameters were frozen or freed behind their learner's back: after start() by Learner::freeze");
  parameters.finish_gradients(*context_);
  moves.step(*context_, guard ? guard.data<float>() : nullptr);
  parameters.begin_step();
}

void Learner::drop_gradients() {
  involve();
  parameters.begin_step();
}

void Learner::update_spans() {
  if (optimizer_) optimizer_->update_spans(*context_, parameters);
  spans_version_ = parameters.version();
}

void Learner::check_between_segments() const {
  check(!context_ || !context_->in_segment, "parameters are frozen, freed and grouped between segments");
}

void Learner::freeze(const std::string& prefix, bool on) {
  check_between_segments();
  parameters.freeze(prefix, on);
  update_spans();
}

void Learner::set_group(const std::string& prefix, int group) {
  check_between_segments();
  parameters.set_group(prefix, group);
  update_spans();
}

void Learner::copy_from(Learner& other) {
  check(context_ != nullptr && other.context_ == context_,
        "a learner copies from another after both have started");
  involve();
  other.involve();
  for (size_t i = 0; i < parameters.all().size(); ++i) {
    check(i < other.parameters.all().size() && other.parameters.all()[i].name == parameters.all()[i].name,
          "a learner copies from one with the same parameters");
    check(other.parameters.all()[i].shape == parameters.all()[i].shape, parameters.all()[i].name,
          " has another shape in the learner that it is copied from");
  }
  copy(*context_, parameters.values, other.parameters.values);
  if (parameters.buffers.count() > 0) copy(*context_, parameters.buffers, other.parameters.buffers);
  parameters.refresh_bf16(*context_);
}

std::vector<std::pair<std::string, Tensor>> Learner::state() const {
  return optimizer_ ? optimizer_->state() : std::vector<std::pair<std::string, Tensor>>();
}

}  // namespace saccade
