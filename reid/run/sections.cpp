#include "reid/run/sections.h"

#include <algorithm>

#include "autograd/schedule.h"

namespace saccade {

using Decides = Keys::Decides;

void describe(Keys& keys, DataSection& data) {
  keys("height", data.height, {16, 4096});
  keys("width", data.width, {16, 4096});
  keys("identities_per_batch", data.identities_per_batch, {1, 65536});
  keys("images_per_identity", data.images_per_identity, {1, 65536});
  keys("flip", data.flip, {0, 1});
  keys("erase", data.erase, {0, 1});
  keys("jitter", data.jitter, {0, 1});
  keys("pad", data.pad, {0, 1024});
  keys("workers", data.workers, {0, 256}, Decides::nothing);
  keys("orientation", data.orientation, {"apply", "ignore"});
  keys("damaged", data.damaged, {"stop", "skip"}, Decides::what_is_checked);  // by the pictures' fingerprint
}

PictureRules DataSection::pictures() const {
  return {orientation == "ignore" ? Orientation::ignore : Orientation::apply, damaged == "skip"};
}

LoaderConfig DataSection::loader(uint64_t seed) const {
  LoaderConfig config;
  config.height = static_cast<int>(height);
  config.width = static_cast<int>(width);
  config.augment.flip = static_cast<float>(flip);
  config.augment.pad = static_cast<int>(pad);
  config.augment.erase = static_cast<float>(erase);
  config.augment.brightness = config.augment.contrast = config.augment.saturation =
      static_cast<float>(jitter);
  config.orientation = pictures().orientation;
  config.seed = seed;
  config.workers = static_cast<int>(workers);
  return config;
}

void describe(Keys& keys, OptimizerSection& optimizer) {
  keys("kind", optimizer.kind, {"sgd", "adam", "amsgrad", "adamw"});
  keys("learning_rate", optimizer.learning_rate, {0, 1e6});
  keys("weight_decay", optimizer.weight_decay, {0, 1e6});
  keys("momentum", optimizer.momentum, {0, 1});
  keys("clip", optimizer.clip, {0, 1e30});
  keys.list("groups", optimizer.groups);
}

void describe(Keys& keys, OptimizerSection::Group& group) {
  keys("prefix", group.prefix);
  keys("rate_scale", group.rate_scale, {0, 1e6});
  keys("decay_scale", group.decay_scale, {0, 1e6});
}

OptimizerConfig OptimizerSection::config(ParameterArena& parameters) const {
  OptimizerConfig config;
  config.kind = kind == "sgd"       ? OptimizerConfig::sgd
                : kind == "adamw"   ? OptimizerConfig::adamw
                : kind == "amsgrad" ? OptimizerConfig::amsgrad
                                    : OptimizerConfig::adam;
  config.momentum = momentum;
  config.weight_decay = weight_decay;
  config.clip = clip;
  for (const Group& group : groups) config.groups.push_back({group.rate_scale, group.decay_scale});
  for (size_t i = groups.size(); i-- > 0;) {  // the first that fits a name has the last word
    check_input(parameters.holds(groups[i].prefix),
                "optimizer.groups: the network has no parameter that begins with ", groups[i].prefix);
    parameters.set_group(groups[i].prefix, static_cast<int>(i) + 1);
  }
  return config;
}

void describe(Keys& keys, ScheduleSection& schedule) {
  keys("unit", schedule.unit, {"epochs", "steps"});
  keys("kind", schedule.kind, {"constant", "step", "cosine"});
  // A cosine ends with the schedule, so its length decides every rate.
  const Decides length = schedule.kind == "cosine" ? Decides::numbers : Decides::length;
  keys("epochs", schedule.epochs, {1, 1e6}, length);
  keys("steps", schedule.steps, {0, 1e12}, length);
  keys.require(schedule.unit == "epochs" || schedule.steps > 0, "steps",
               "must be given where schedule.unit is steps");
  keys("milestones", schedule.milestones, {0, 1e12});
  keys("gamma", schedule.gamma, {0, 1});
  keys("warmup_epochs", schedule.warmup_epochs, {0, 1e6});
  keys("warmup_steps", schedule.warmup_steps, {0, 1e12});
  keys("warmup_factor", schedule.warmup_factor, {0, 1});
}

double ScheduleSection::rate(double base, const SchedulePlace& place) const {
  const bool by_steps = unit == "steps";
  const auto step = static_cast<double>(place.step);
  const double epoch = static_cast<double>(place.epoch) +
                       static_cast<double>(place.batch) / static_cast<double>(place.batches_of_epoch);
  double factor = 1;
  if (kind == "step") factor = step_factor(by_steps ? place.step : place.epoch, milestones, gamma);
  if (kind == "cosine")
    factor = cosine_factor(by_steps ? step : epoch, static_cast<double>(by_steps ? steps : epochs));
  const double warmup =
      warmup_steps > 0 ? saccade::warmup_factor(step, static_cast<double>(warmup_steps), warmup_factor)
                       : saccade::warmup_factor(epoch, static_cast<double>(warmup_epochs), warmup_factor);
  return base * factor * warmup;
}

int64_t ScheduleSection::steps_in_all(const SchedulePlace& place,
                                      const std::function<int64_t(int64_t epoch)>& batches_of) const {
  if (unit == "steps") return steps;
  int64_t all = place.step - place.batch;
  for (int64_t epoch = place.epoch; epoch < epochs; ++epoch) all += batches_of(epoch);
  return all;
}

bool is_due(int64_t count, int64_t every) {
  return every > 0 && count % every == 0;
}

void describe(Keys& keys, EvaluationSection& evaluation) {
  keys("every", evaluation.every, {1, 1e6}, Decides::nothing);
  keys("batch", evaluation.batch, {1, 65536}, Decides::nothing);
  keys("metric", evaluation.metric, {"euclidean", "cosine"});
  keys("flip", evaluation.flip);
}

void describe(Keys& keys, CheckpointSection& checkpoint) {
  keys("every_epochs", checkpoint.every_epochs, {0, 1e6}, Decides::nothing);
  keys("every_steps", checkpoint.every_steps, {0, 1e12}, Decides::nothing);
}

}  // namespace saccade
