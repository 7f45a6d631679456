// What learns together: parameters, and the optimizer that moves them.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/optimizer.h"
#include "autograd/parameter.h"

namespace saccade {

// A network, or the part of one that a loss may move. Its life: modules add their parameters, start() gives them memory
// and first values; then, step after step, tapes that name this learner leave gradients (one tape or several, which add
// up), and step() moves the parameters. A learner without an optimizer never moves by itself: a target network, a copy
// that follows by momentum.
class Learner {
 public:
  ParameterArena parameters;

  // Allocates the parameters and initializes them from `seed` and their names. `context` outlives the learner.
  void start(Context& context, uint64_t seed, const std::optional<OptimizerConfig>& optimizer = {},
             DType dtype = DType::f32);

  // Between segments. Error without an optimizer.
  void set_learning_rate(double rate);

  // Zeroes the gradients that no tape wrote, clips, moves what is not frozen, and begins anew. If `guard` [1] f32 is
  // given and not finite nothing moves. Error without an optimizer.
  void step(const Tensor& guard = Tensor());

  // Begins anew without moving: the gradients that wait are dropped.
  void drop_gradients();

  // The parameters under `prefix` (ParameterArena::freeze) are kept as they are: no gradient is made for them, though
  // gradients pass through them. Or they learn again. Between segments; what a segment recorded
  // before is recorded anew.
  void freeze(const std::string& prefix, bool on = true);

  // The parameters under `prefix` move by OptimizerConfig::groups[group]. Between segments.
  void set_group(const std::string& prefix, int group);

  // Takes over the values and the running statistics of `other`, which has the same parameters: a target network.
  void copy_from(Learner& other);

  uint64_t version() const { return parameters.version(); }  // changes with freeze and set_group

  // Everything that the next step depends on beside parameters and learning rate: what a checkpoint holds.
  std::vector<std::pair<std::string, Tensor>> state() const;

 private:
  Optimizer& optimizer();
  void update_spans();

  void check_between_segments() const;
  void involve();

  Context* context_ = nullptr;
  std::optional<Optimizer> optimizer_;
  uint64_t spans_version_ = 0;  // of the parameters when the optimizer's spans were made
};

}  // namespace saccade
