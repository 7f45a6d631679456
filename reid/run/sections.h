// The sections of a config that systems share. A system takes those that it needs, and adds its own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autograd/optimizer.h"
#include "reid/data/check_pictures.h"
#include "reid/data/loader.h"
#include "reid/run/config_file.h"

namespace saccade {

// Pictures: their size, how a batch is drawn, how they are varied.
struct DataSection {
  int64_t height = 256, width = 128;
  int64_t identities_per_batch = 16, images_per_identity = 4;  // P and K
  double flip = 0.5, erase = 0.5, jitter = 0;                  // probabilities; jitter: strength
  int64_t pad = 10;                                            // pixels before the random crop
  int64_t workers = 2;                                         // threads that read ahead
  std::string orientation = "apply";                           // of EXIF; or ignore
  std::string damaged = "stop";                                // at a picture that cannot be read; or skip it

  PictureRules pictures() const;

  // For training; `seed` decides the augmentation.
  LoaderConfig loader(uint64_t seed) const;
};
void describe(Keys& keys, DataSection& data);

struct OptimizerSection {
  std::string kind = "adam";  // sgd, adam, amsgrad, adamw
  double learning_rate = 3.5e-4, weight_decay = 5e-4, momentum = 0.9;
  double clip = 0;  // largest global gradient norm; 0: no limit

  // Parameters whose names begin with `prefix` learn at their own pace. The first group that fits a name takes it.
  struct Group {
    std::string prefix;
    double rate_scale = 1, decay_scale = 1;
  };
  std::vector<Group> groups;

  // What Learner::start takes. Puts the parameters into their groups, so call it when all are there; InputError for a
  // group without a parameter.
  OptimizerConfig config(ParameterArena& parameters) const;
};
void describe(Keys& keys, OptimizerSection& optimizer);
void describe(Keys& keys, OptimizerSection::Group& group);

// Where a step stands in its schedule: in a stage, if there are several.
struct SchedulePlace {
  int64_t step = 0;              // steps done before it
  int64_t epoch = 0, batch = 0;  // epochs done, and batches done of the one that runs
  int64_t batches_of_epoch = 1;
};

// A learning rate over time. The length and the milestones are counted in `unit`s; the warm-up has a key for each unit.
struct ScheduleSection {
  std::string unit = "epochs";                 // or steps
  int64_t epochs = 120, steps = 0;             // the length, by unit
  std::string kind = "step";                   // constant, step, cosine
  std::vector<int64_t> milestones = {40, 70};  // units after which the rate is multiplied by gamma
  double gamma = 0.1;
  int64_t warmup_epochs = 10, warmup_steps = 0;  // linear from warmup_factor to 1; steps, if they are given
  double warmup_factor = 0.01;

  // The learning rate at `place`, from the base rate.
  double rate(double base, const SchedulePlace& place) const;

  // Its length in steps, seen from `place`. Epochs differ in length, as their batches are drawn: `batches_of` says how
  // many an epoch has.
  int64_t steps_in_all(const SchedulePlace& place,
                       const std::function<int64_t(int64_t epoch)>& batches_of) const;
};
void describe(Keys& keys, ScheduleSection& schedule);

// True at every so many; 0: never.
bool is_due(int64_t count, int64_t every);

struct EvaluationSection {
  int64_t every = 40;                // epochs; the last is always evaluated
  int64_t batch = 64;                // pictures at once
  std::string metric = "euclidean";  // or cosine
  bool flip = false;                 // features are the mean of those of a picture and of its mirror image
};
void describe(Keys& keys, EvaluationSection& evaluation);

struct CheckpointSection {
  int64_t every_epochs = 10, every_steps = 0;  // 0: not by this count
};
void describe(Keys& keys, CheckpointSection& checkpoint);

}  // namespace saccade
