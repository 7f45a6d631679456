#include "reid/run/run.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <system_error>
#include <utility>

#include "kernels/common/clock.h"
#include "kernels/common/device.h"
#include "reid/run/threads.h"
#include "tensor/weights/atomic_file.h"
#include "tensor/weights/json_text.h"

namespace saccade {

namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

// Removes what a killed run was writing: whoever has the folder's lock is the only one who writes such files there.
void remove_unfinished(const std::string& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    for (const std::string file : {"checkpoint-", "metrics.jsonl", "result.json", "curves.png", "ranked.png"})
      if (name.starts_with(file) && name.find(".tmp.") != std::string::npos)
        fs::remove(entry.path(), ignored);
  }
}

}  // namespace

bool all_finite(Context& context, const Tensor& tensor) {
  const std::vector<float> values = tensor.to_host<float>(context);
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

Run::Run(const RunOptions& options, const ConfigRecord& config)
    : options_(options), lock_(options.out), config_(config.all), began_(now()) {
  if (!lock_.held()) notice(options.out + ": this disk knows no locks: let no other process train into it");
  state_.config = config.essential;
  state_.seed = options.seed;
  find_checkpoint(config);
  make_context();
}

void Run::find_checkpoint(const ConfigRecord& config) {
  const std::string& out = options_.out;
  std::vector<int64_t> steps = list_checkpoints(out);
  if (!options_.resume) {
    check_input(steps.empty() && !fs::exists(metrics_path(out)), out,
                ": already holds a run; --resume continues it, another --out starts anew");
    return;
  }
  if (lock_.held()) remove_unfinished(out);
  if (steps.empty()) return notice(out + ": no checkpoint to resume from, starting at step 0");
  for (; resumed_from_.empty() && !steps.empty(); steps.pop_back()) {
    const std::string path = checkpoint_path(out, steps.back());
    try {
      state_ = read_run_state(path);
      state_.config = config.completed(state_.config, path);
      resumed_from_ = path;
    } catch (const InputError& problem) {  // damaged: the one before it may not be
      notice(concat(problem.what(), "; trying the checkpoint before it"));
    }
  }
  check_input(resumed(), out,
              ": none of its checkpoints can be read; without them --resume starts at step 0");
  const std::string difference = first_difference(state_.config, config.essential, config.may_change);
  check_input(difference.empty(), resumed_from_, ": the run had other settings: ", difference);
  state_.config = config.essential;  // it may be longer now
  after_step_ = state_.place;
  saved_step_ = state_.place.step;
  check_input(state_.seed == options_.seed, resumed_from_, ": the run had the seed ", state_.seed, ", not ",
              options_.seed);
  check_input(state_.precision == options_.precision, resumed_from_, ": the run had the precision ",
              state_.precision, ", not ", options_.precision);
}

void Run::make_context() {
  const bool is_given = resumed() || options_.threads > 0;
  const int given = resumed() ? state_.threads : options_.threads;
  check(!is_given || can_have_threads(given), "a pool of ", given,
        " threads cannot be had: the system limits them (", kThreadLimits, ")");
  const int threads = is_given ? given : default_threads(options_.notice);
  context_ = std::make_unique<Context>(options_.device, options_.device_index, threads);
  if (resumed() && options_.threads > 0 && options_.threads != state_.threads)
    notice(concat("the run began with ", state_.threads, " threads and goes on with as many, not with ",
                  options_.threads, ": the order of its sums depends on them"));
  std::string reason;
  const Precision precision = precision_named(options_.precision);
  check_input(has_precision(*context_, precision, &reason), "--precision ", options_.precision, ": ", reason);
  context_->precision = precision;
  context_->tuned = state_.tuned;
  const std::string device = name_of(options_.device);
  if (resumed() && state_.device != device)
    notice(concat("the run began on ", state_.device, " and goes on on ", device,
                  ": its numbers will not be those of an uninterrupted run"));
  state_.threads = context_->threads();
  state_.device = device;
  state_.precision = options_.precision;
  random_ = Tensor::zeros(*context_, {2}, DType::i64);
}

void Run::notice(const std::string& line) const {
  if (options_.notice) options_.notice(line);
}

void Run::check_data(const std::string& fingerprint, const std::string& what, const std::string& where) {
  check_input(!resumed() || state_.training_set == fingerprint, resumed_from_, ": was trained on other ",
              what, " than those of ", where, " (", state_.training_set, "; now ", fingerprint, ")");
  state_.training_set = fingerprint;
}

void Run::check_name(const std::string& name) const {
  const auto is_this = [&](const auto& kept) { return kept.first == name; };
  const auto taken = [&](const auto& all) { return std::any_of(all.begin(), all.end(), is_this); };
  check(!taken(kept_.learners) && !taken(kept_.tensors) && !taken(kept_.values),
        "a run cannot keep two things called \"", name, "\"");
}

void Run::keep(const std::string& name, Learner& learner) {
  check_name(name);
  kept_.learners.emplace_back(name, &learner);
  if (!resumed()) return;
  read_learner(*context_, resumed_from_, name, learner);
  if (kept_.learners.size() == 1) notice(concat("resumed from ", resumed_from_));
}

void Run::keep(const std::string& name, Tensor& tensor) {
  check(!name.empty() && tensor, "a run keeps a tensor that has a name and a shape");
  check_name(name);
  kept_.tensors.emplace_back(name, &tensor);
  if (resumed()) read_tensor(*context_, resumed_from_, name, tensor);
}

void Run::keep(const std::string& name, Json& value) {
  check(!name.empty() && !is_own_value(name), "a run keeps no value called \"", name, "\"");
  check_name(name);
  kept_.values.emplace_back(name, &value);
  if (!resumed()) return;
  check_input(state_.values.contains(name), resumed_from_, ": the value ", name, " is missing");
  value = state_.values[name];
}

void Run::write_random() {
  const int64_t values[2] = {static_cast<int64_t>(state_.seed), state_.place.step};
  random_.write(*context_, values);
}

int64_t Run::stops_at(int64_t whole) const {
  return options_.max_steps > 0 ? std::min(options_.max_steps, whole) : whole;
}

void Run::step_done() {
  ++state_.place.step;
  ++state_.place.batch;
  after_step_ = state_.place;
}

void Run::epoch_done() {
  ++state_.place.epoch;
  state_.place.batch = 0;
}

void Run::stage_done() {
  Place& place = state_.place;
  place = {place.step, place.stage + 1, place.step, 0, 0};
  state_.best_step = -1;  // scores of two stages may mean different things
}

Metrics& Run::metrics() {
  if (metrics_) return *metrics_;
  lock_.check_place();
  double time = 0;
  metrics_.emplace(options_.out, resumed() ? state_.place.step : -1, &time);
  began_ -= time;  // the seconds of a run go on where it stopped
  return *metrics_;
}

double Run::seconds() const {
  return now() - began_;
}

void Run::log(const Json& values) {
  Metrics& lines = metrics();
  lines.write(state_.place, seconds(), values);
}

void Run::show_progress(int64_t steps, double loss) const {
  if (options_.progress) options_.progress(state_.place.step, steps, loss);
}

bool Run::is_best(double score) {
  if (state_.best_step >= 0 && !(score > state_.best_score)) return false;
  state_.best_score = score;
  state_.best_step = state_.place.step;
  return true;
}

void Run::save() {
  for (const auto& [name, learner] : kept_.learners)
    for (const Parameter& p : learner->parameters.all())
      check(!p.grad_written, "a checkpoint in the middle of a step: gradients wait in the learner \"", name,
            "\", and a resumed run would not have them");
  for (const auto& [name, learner] : kept_.learners)
    for (const Parameter& p : learner->parameters.all())
      check(all_finite(*context_, p.value), "the weights are not finite at step ", state_.place.step, ": ",
            p.name, " has overflowed (is the learning rate too high?); ", last_checkpoint());
  lock_.check_place();
  state_.tuned = context_->tuned;
  const bool synced = write_checkpoint(*context_, options_.out, state_, kept_);
  saved_step_ = state_.place.step;
  if (synced || std::exchange(said_unsynced_, true)) return;
  notice(options_.out +
         ": this disk cannot be told to keep a file (fsync): a checkpoint may be lost if the machine fails");
}

void Run::stop_if_asked() {
  if (!options_.stop_asked || !options_.stop_asked()) return;
  const int64_t step = state_.place.step;
  if (step == 0) throw Stopped("stopped before the first step; the same command begins again");
  save_last_step();
  throw Stopped(concat("stopped after step ", step, "; the same command with --resume goes on from ",
                       checkpoint_path(options_.out, step)));
}

void Run::save_last_step() {
  if (saved_step_ == state_.place.step) return;
  state_.place = after_step_;
  save();
}

std::string Run::saved_before_failure() {
  if (state_.place.step == 0) return "";
  save_last_step();
  return concat("; --resume goes on from ", checkpoint_path(options_.out, state_.place.step));
}

std::string Run::last_checkpoint() const {
  const std::vector<int64_t> steps = list_checkpoints(options_.out);
  return steps.empty() ? "no checkpoint was written yet"
                       : "the last checkpoint is " + checkpoint_path(options_.out, steps.back());
}

void Run::stop_at_nan(const std::function<void(Tape&)>& forward) {
  // A NaN says more than an infinity, which may be an op's answer to large numbers alone.
  std::string cause = "the step that is computed again is finite";
  for (const Tape::Find find : {Tape::Find::not_finite, Tape::Find::nan}) {
    try {
      Tape tape(*context_);
      tape.find = find;
      forward(tape);
    } catch (const Error& error) {
      cause = error.what();
    }
  }
  throw Error(
      concat("the loss is not finite at step ", state_.place.step + 1, ": ", cause, "; ", last_checkpoint()));
}

std::string Run::finish(Json result) {
  lock_.check_place();
  metrics();  // a run that was finished already has its time from there
  result["config"] = Json::parse(config_);
  result["seed"] = state_.seed;
  result["device"] = state_.device;
  result["precision"] = state_.precision;
  result["steps"] = state_.place.step;
  result["checkpoint"] = checkpoint_path(options_.out, state_.place.step);
  result["seconds"] = seconds();
  result["peak_bytes"] = peak_bytes(*context_);
  const std::string text = json_text(result, 2) + "\n";
  AtomicFile file(options_.out + "/result.json");
  file.write(text.data(), text.size());
  file.commit();
  return text;
}

}  // namespace saccade
