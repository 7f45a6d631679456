#include "reid/training/train.h"

#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "autograd/functions/image.h"
#include "autograd/functions/loss.h"
#include "autograd/schedule.h"
#include "autograd/segment.h"
#include "kernels/common/device.h"
#include "reid/data/loader.h"
#include "reid/evaluation/report.h"
#include "reid/training/checkpoint.h"
#include "reid/training/evaluation.h"
#include "reid/training/report.h"
#include "tensor/weights/atomic_file.h"
#include "tensor/weights/read_weights.h"

namespace saccade {

namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

LoaderConfig loader_config(const TrainConfig& config, uint64_t seed) {
  LoaderConfig options;
  options.height = static_cast<int>(config.data.height);
  options.width = static_cast<int>(config.data.width);
  options.augment.flip = static_cast<float>(config.data.flip);
  options.augment.pad = static_cast<int>(config.data.pad);
  options.augment.erase = static_cast<float>(config.data.erase);
  options.augment.brightness = options.augment.contrast = options.augment.saturation =
      static_cast<float>(config.data.jitter);
  options.seed = seed;
  options.workers = static_cast<int>(config.data.workers);
  return options;
}

OptimizerConfig optimizer_config(const TrainConfig::Optimizer& o) {
  OptimizerConfig config;
  config.kind = o.kind == "sgd"       ? OptimizerConfig::sgd
                : o.kind == "adamw"   ? OptimizerConfig::adamw
                : o.kind == "amsgrad" ? OptimizerConfig::amsgrad
                                      : OptimizerConfig::adam;
  config.momentum = o.momentum;
  config.weight_decay = o.weight_decay;
  config.clip = o.clip;
  return config;
}

// Learning rate of a step, from its place in the schedule (in epochs, fractions included for the warm-up).
double learning_rate(const TrainConfig& config, int64_t epoch, int64_t batch, int64_t batches) {
  const auto& s = config.schedule;
  const double position =
      static_cast<double>(epoch) + static_cast<double>(batch) / static_cast<double>(batches);
  double factor = 1;
  if (s.kind == "step") factor = step_factor(epoch, s.milestones, s.gamma);
  if (s.kind == "cosine") factor = cosine_factor(position, static_cast<double>(s.epochs));
  return config.optimizer.learning_rate * factor *
         warmup_factor(position, static_cast<double>(s.warmup_epochs), s.warmup_factor);
}

// How many pictures, and a checksum of their names in order: what batches are drawn from.
std::string fingerprint_of(const std::vector<ImageRecord>& records) {
  uLong sum = crc32_z(0, nullptr, 0);
  for (const ImageRecord& record : records) {
    const std::string name = fs::path(record.path).filename().string();
    sum = crc32_z(sum, reinterpret_cast<const Bytef*>(name.c_str()), name.size() + 1);
  }
  return concat(records.size(), " pictures, names ", sum);
}

// The first difference between two settings, as "key: a, now b"; empty if there is none.
std::string first_difference(const TrainConfig& before, const TrainConfig& after) {
  const Json a = Json::parse(to_json(before)).flatten(), b = Json::parse(to_json(after)).flatten();
  for (const auto& [key, value] : a.items()) {
    if (b.contains(key) && b[key] == value) continue;
    std::string name = key.substr(1);  // /loss/margin -> loss.margin, as --set has it
    std::replace(name.begin(), name.end(), '/', '.');
    return concat(name, ": ", value.dump(), ", now ", b.contains(key) ? b[key].dump() : "absent");
  }
  return a.size() == b.size() ? "" : "the lists differ in length";
}

class Trainer {
 public:
  Trainer(const TrainOptions& options, const TrainObserver& observer);
  std::string run();

 private:
  void find_checkpoint();
  void start_metrics();
  void log(Json line);
  void notice(const std::string& line) const {
    if (observer_.notice) observer_.notice(line);
  }
  struct Losses {
    float total = 0, id = 0, triplet = 0;
  };
  Losses step(const Batch& batch, double rate);
  struct LossTerms {
    Variable total, id, triplet;
  };
  LossTerms forward(Tape& tape) const;
  [[noreturn]] void name_the_nan();
  int64_t steps_of_schedule() const;
  void epoch(int64_t last_step);
  enum class Counts { no, yes };  // for the best so far
  Evaluation evaluate(const char* when, Counts counts);
  void save();
  std::string last_checkpoint() const;
  std::string finish(const Evaluation& last);

  TrainOptions options_;
  const TrainObserver& observer_;
  double began_ = now();
  RunState state_;
  std::string resumed_from_;
  ReidDataset data_;
  std::unique_ptr<PkSampler> sampler_;
  std::unique_ptr<Loader> loader_;
  std::unique_ptr<Context> context_;
  Learner learner_;
  ParameterArena& arena_ = learner_.parameters;
  std::unique_ptr<ReidModel> model_;
  std::unique_ptr<Segment> segment_;
  // What a step reads and leaves, at addresses that stay: the host writes and reads them between segments.
  Tensor images_;         // f32, augmented by the loader; or
  Tensor cache_, table_;  // all pictures, and what the device makes of them
  Tensor labels_, random_, losses_;
  std::ofstream metrics_;
  int64_t evaluated_ = -1;  // the step of the last evaluation that metrics.jsonl knows
};

Trainer::Trainer(const TrainOptions& options, const TrainObserver& observer)
    : options_(options), observer_(observer) {
  state_.config = options.config;
  state_.seed = options.seed;
  find_checkpoint();
  context_ = std::make_unique<Context>(options.device, options.device_index,
                                       resumed_from_.empty() ? options.threads : state_.threads);
  if (!resumed_from_.empty() && options.threads > 0 && options.threads != state_.threads)
    notice(concat("the run began with ", state_.threads, " threads and goes on with as many, not with ",
                  options.threads, ": the order of its sums depends on them"));
  std::string reason;
  const Precision precision = precision_named(options.precision);
  check_input(has_precision(*context_, precision, &reason), "--precision ", options.precision, ": ", reason);
  context_->precision = precision;
  context_->tuned = state_.tuned;
  state_.threads = context_->threads();
  if (!resumed_from_.empty() && state_.device != name_of(options.device))
    notice(concat("the run began on ", state_.device, " and goes on on ", name_of(options.device),
                  ": its numbers will not be those of an uninterrupted run"));
  state_.device = name_of(options.device);
  state_.precision = options.precision;

  data_ = load_reid_dataset(options.data);
  if (!data_.notice.empty()) notice(data_.notice);
  const TrainConfig& config = state_.config;
  sampler_ = std::make_unique<PkSampler>(data_.labels, config.data.identities_per_batch,
                                         config.data.images_per_identity, state_.seed);
  if (sampler_->identities_per_batch() < config.data.identities_per_batch)
    notice(concat("the training set has ", data_.identities(), " identities: batches hold ",
                  sampler_->identities_per_batch(), " instead of ", config.data.identities_per_batch));
  if (sampler_->identities_per_batch() < 2)
    notice("batches hold one identity: no picture has a negative, and the triplet loss is 0");
  check_retrieval(data_, context_->threads());
  LoaderConfig loading = loader_config(config, state_.seed);
  loading.pixels =
      options.device == Device::cpu;  // elsewhere the device augments, if it can hold the pictures
  loading.pixels =
      loading.pixels || data_.train.size() * static_cast<size_t>(loading.height * loading.width * 3) >
                            static_cast<size_t>(loading.cache_bytes);
  loader_ = std::make_unique<Loader>(data_.train, data_.labels, loading);
  loader_->cache().preload(context_->threads());

  check_input(resumed_from_.empty() || state_.identities == data_.identities(), resumed_from_,
              ": was trained on ", state_.identities, " identities, but ", options.data, " has ",
              data_.identities());
  state_.identities = data_.identities();
  const std::string training_set = fingerprint_of(data_.train);
  check_input(resumed_from_.empty() || state_.training_set == training_set, resumed_from_,
              ": was trained on other pictures than those of ", options.data, " (", state_.training_set,
              "; now ", training_set, ")");
  state_.training_set = training_set;
  model_ = std::make_unique<ReidModel>(arena_, config.model_config(state_.identities));
  learner_.start(*context_, state_.seed, optimizer_config(config.optimizer));
  segment_ = std::make_unique<Segment>(*context_);
  if (!resumed_from_.empty()) {
    read_checkpoint(*context_, resumed_from_, arena_, &learner_);
    notice(concat("resumed from ", resumed_from_));
  } else if (!config.model.weights.empty()) {
    const LoadReport report = load_weights(*context_, arena_, read_weights(config.model.weights));
    check_input(report.loaded > 0, config.model.weights, ": holds no tensor of the network ",
                config.model.backbone);
    notice(config.model.weights + ": " + report.text());
  }
  const int64_t samples = sampler_->batch_size(), height = config.data.height, width = config.data.width;
  if (loading.pixels) {
    images_ = Tensor(*context_, {samples, height, width, 3}, DType::f32);
  } else {
    const Shape pictures{loader_->cache().kept(), height, width, 3};
    cache_ = Tensor::from_host(*context_, pictures, DType::u8, loader_->cache().data(),
                               static_cast<size_t>(pictures.count()));
    table_ = Tensor(*context_, {samples * static_cast<int64_t>(sizeof(Augmentation))}, DType::u8);
  }
  labels_ = Tensor(*context_, {samples}, DType::i64);
  random_ = Tensor(*context_, {2}, DType::i64);
  losses_ = Tensor(*context_, {3}, DType::f32);
}

void Trainer::find_checkpoint() {
  std::error_code error;
  fs::create_directories(options_.out, error);
  check_input(!error && fs::is_directory(options_.out), options_.out,
              ": cannot be made a folder: ", error.message());
  std::vector<int64_t> steps = list_checkpoints(options_.out);
  if (!options_.resume) {
    check_input(steps.empty() && !fs::exists(fs::path(options_.out) / "metrics.jsonl"), options_.out,
                ": already holds a run; --resume continues it, another --out starts anew");
    return;
  }
  for (const auto& entry : fs::directory_iterator(options_.out)) {  // what a killed run was writing
    const std::string name = entry.path().filename().string();
    if (name.starts_with("checkpoint-") && name.find(".tmp.") != std::string::npos)
      fs::remove(entry.path(), error);
  }
  if (steps.empty()) return notice(options_.out + ": no checkpoint to resume from, starting at step 0");
  for (; resumed_from_.empty() && !steps.empty(); steps.pop_back()) {
    const std::string path = checkpoint_path(options_.out, steps.back());
    try {
      state_ = read_run_state(path);
      resumed_from_ = path;
    } catch (const InputError& problem) {  // damaged: the one before it may not be
      notice(concat(problem.what(), "; trying the checkpoint before it"));
    }
  }
  check_input(!resumed_from_.empty(), options_.out,
              ": none of its checkpoints can be read; without them --resume starts at step 0");
  const std::string difference = first_difference(state_.config, options_.config.essential());
  check_input(difference.empty(), resumed_from_, ": the run had other settings: ", difference);
  check_input(state_.seed == options_.seed, resumed_from_, ": the run had the seed ", state_.seed, ", not ",
              options_.seed);
  check_input(state_.precision == options_.precision, resumed_from_, ": the run had the precision ",
              state_.precision, ", not ", options_.precision);
  state_.config = options_.config;  // with this run's own number of workers
}

// Lines after the checkpoint's step belong to steps that will run again.
void Trainer::start_metrics() {
  const std::string path = metrics_path(options_.out);
  AtomicFile kept(path);
  double time = 0;
  for (const Json& line : resumed_from_.empty() ? std::vector<Json>() : read_metrics(path)) {
    if (line.at("step").get<int64_t>() > state_.step) continue;
    if (line.contains("mAP")) evaluated_ = line.at("step").get<int64_t>();
    time = line.at("time").get<double>();
    const std::string text = line.dump() + "\n";
    kept.write(text.data(), text.size());
  }
  kept.commit();
  began_ -= time;  // the seconds of a run go on where it stopped
  metrics_.open(path, std::ios::app);
  check(metrics_.good(), path, ": cannot be written");
}

void Trainer::log(Json line) {
  Json full = {{"step", state_.step}, {"epoch", state_.epoch}, {"time", now() - began_}};
  full.update(line);
  metrics_ << full.dump() << '\n' << std::flush;
  check(metrics_.good(), options_.out, "/metrics.jsonl: cannot be written (is the disk full?)");
}

Trainer::LossTerms Trainer::forward(Tape& tape) const {
  const auto& loss = state_.config.loss;
  tape.random = random_;
  const DType dtype = context_->precision == Precision::bf16 ? DType::bf16 : DType::f32;
  const Tensor images =
      cache_ ? augment(tape, cache_, table_, loader_->config().normalization, dtype) : images_;
  const auto out = (*model_)(tape, tape.constant(images), ReidModel::Mode::train);
  LossTerms terms;
  terms.id = cross_entropy(tape, out.logits, labels_, loss.smoothing);
  terms.triplet = batch_hard_triplet(tape, out.embedding, labels_, loss.margin).loss;
  terms.total = weighted_sum(tape, {terms.id, terms.triplet}, {loss.id, loss.triplet});
  return terms;
}

Trainer::Losses Trainer::step(const Batch& batch, double rate) {
  if (cache_)
    table_.write(*context_, batch.table.data());
  else
    images_.write(*context_, batch.images.data());
  labels_.write(*context_, batch.labels.data());
  const int64_t random[2] = {static_cast<int64_t>(state_.seed), state_.step};
  random_.write(*context_, random);
  learner_.set_learning_rate(rate);

  context_->tunes =
      state_.config.tune;  // in steps alone: what an evaluation found, a checkpoint before it would not know
  segment_->run([&] {
    Tape tape(*context_, {&learner_});
    const LossTerms terms = forward(tape);
    int64_t at = 0;
    for (const Variable& term : {terms.total, terms.id, terms.triplet}) {
      copy(*context_, losses_.slice(at, at + 1), term.value);
      ++at;
    }
    tape.backward(terms.total);
    learner_.step(losses_.slice(0, 1));
  });
  context_->tunes = false;
  const std::vector<float> values = losses_.to_host<float>(*context_);
  const Losses losses{values[0], values[1], values[2]};
  if (!std::isfinite(losses.total)) name_the_nan();
  return losses;
}

// The guard of the optimizer has left the weights as they were, so the same step can be run again, looking closely.
void Trainer::name_the_nan() {
  std::string cause = "no single op made a NaN: the sum overflowed";
  try {
    Tape tape(*context_);
    tape.find_nan = true;
    forward(tape);
  } catch (const Error& error) {
    cause = error.what();
  }
  throw Error(
      concat("the loss is not finite at step ", state_.step + 1, ": ", cause, "; ", last_checkpoint()));
}

Evaluation Trainer::evaluate(const char* when, Counts counts) {
  notice(concat("evaluating ", when, ": ", data_.query.size(), " queries, ", data_.gallery.size(),
                " gallery images"));
  Evaluation evaluation = evaluate_model(*context_, *model_, data_, state_.config, state_.config.report);
  if (evaluated_ < state_.step)
    log(Json{{"mAP", evaluation.map}, {"rank1", evaluation.cmc.at(0)}, {"mINP", evaluation.minp}});
  evaluated_ = state_.step;
  notice(concat("mAP ", evaluation.map, ", rank 1 ", evaluation.cmc.at(0)));
  if (counts == Counts::yes && evaluation.map > state_.best_map) {
    state_.best_map = evaluation.map;
    state_.best_step = state_.step;
  }
  return evaluation;
}

// A checkpoint is a place to go back to: one with an infinity in it would be none. (The loss can stay finite for a step
// after a weight has overflowed, so the optimizer's guard does not see it.)
void Trainer::save() {
  for (const Parameter& p : arena_.all()) {
    const std::vector<float> values = p.value.to_host<float>(*context_);
    if (std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); })) continue;
    throw Error(concat("the weights are not finite at step ", state_.step, ": ", p.name,
                       " has overflowed (is the learning rate too high?); ", last_checkpoint()));
  }
  state_.tuned = context_->tuned;
  write_checkpoint(*context_, options_.out, state_, arena_, learner_);
}

std::string Trainer::last_checkpoint() const {
  const std::vector<int64_t> steps = list_checkpoints(options_.out);
  return steps.empty() ? "no checkpoint was written yet"
                       : "the last checkpoint is " + checkpoint_path(options_.out, steps.back());
}

// Epochs differ in length: their batches are drawn.
int64_t Trainer::steps_of_schedule() const {
  int64_t steps = state_.step - state_.batch;
  for (int64_t epoch = state_.epoch; epoch < state_.config.schedule.epochs; ++epoch)
    steps += static_cast<int64_t>(sampler_->batches(epoch).size());
  return steps;
}

// Runs what is left of the current epoch, or less if `last_step` comes first.
void Trainer::epoch(int64_t last_step) {
  const TrainConfig& config = state_.config;
  Batches batches = sampler_->batches(state_.epoch);
  const auto count = static_cast<int64_t>(batches.size());
  loader_->start(state_.epoch, std::move(batches), state_.batch);
  Batch batch;
  double before = now();
  while (state_.step < last_step && loader_->next(batch)) {
    const double rate = learning_rate(config, state_.epoch, state_.batch, count);
    const Losses losses = step(batch, rate);
    ++state_.step;
    ++state_.batch;
    const double after = now();
    log(Json{{"loss", losses.total},
             {"id_loss", losses.id},
             {"triplet_loss", losses.triplet},
             {"learning_rate", rate},
             {"images_per_second", static_cast<double>(batch.count) / std::max(after - before, 1e-9)}});
    before = after;
    if (observer_.step) observer_.step(state_.step, last_step, losses.total);
    const bool ends = state_.batch == count;
    if (!ends && config.checkpoint.every_steps > 0 && state_.step % config.checkpoint.every_steps == 0)
      save();
  }
  loader_->stop();
  if (state_.batch == count) {
    ++state_.epoch;
    state_.batch = 0;
  }
}

std::string Trainer::run() {
  start_metrics();
  const TrainConfig& config = state_.config;
  const auto& keep = config.checkpoint;
  const int64_t whole = steps_of_schedule();
  const int64_t last_step = options_.max_steps > 0 ? std::min(options_.max_steps, whole) : whole;
  if (config.report && state_.before.empty())
    state_.before = to_json(evaluate("before training", Counts::no)).dump();

  while (state_.step < last_step) {
    epoch(last_step);
    if (state_.step == last_step) break;
    const bool evaluates = state_.epoch % config.evaluation.every == 0;
    const bool due = (keep.every_epochs > 0 && state_.epoch % keep.every_epochs == 0) ||
                     (keep.every_steps > 0 && state_.step % keep.every_steps == 0);
    if (evaluates) evaluate("the epoch", Counts::yes);
    if (evaluates || due) save();
  }
  // A run that --max-steps stopped goes on later as if it never had: only what the schedule evaluates counts.
  const bool scheduled =
      state_.step == whole || (state_.batch == 0 && state_.epoch % config.evaluation.every == 0);
  const Evaluation last = evaluate("after training", scheduled ? Counts::yes : Counts::no);
  save();
  return finish(last);
}

std::string Trainer::finish(const Evaluation& last) {
  Json result = to_json(last);
  if (state_.config.report) {
    result["before"] = state_.before.empty() ? Json() : Json::parse(state_.before);
    result["after"] = to_json(last);
    draw_training_curves(options_.out);
    draw_ranked_lists(options_.out, data_, last);
  }
  result["config"] = Json::parse(to_json(state_.config));
  result["seed"] = state_.seed;
  result["device"] = state_.device;
  result["precision"] = state_.precision;
  result["steps"] = state_.step;
  result["checkpoint"] = checkpoint_path(options_.out, state_.step);
  result["seconds"] = now() - began_;
  result["peak_bytes"] = peak_bytes(*context_);
  const std::string text = result.dump(2) + "\n";
  AtomicFile file(options_.out + "/result.json");
  file.write(text.data(), text.size());
  file.commit();
  return text;
}

}  // namespace

std::string train(const TrainOptions& options, const TrainObserver& observer) {
  return Trainer(options, observer).run();
}

}  // namespace saccade
