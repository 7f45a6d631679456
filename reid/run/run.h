// A training on disk: what any system's loop needs of the folder that it trains into, and nothing of what it trains.
//
//   Run run(options, record_of(config));            // opens the folder, or finds the checkpoint to go on from
//   learner.start(run.context(), run.seed(), ...);
//   run.keep("", learner);                          // filled from that checkpoint, and in all later ones
//   while (run.place().epoch < config.epochs) {
//     for (...) {
//       ... a step ...
//       run.step_done();
//       run.log({{"loss", loss}});
//     }
//     run.epoch_done();
//     if (run.is_best(score)) ...
//     run.save();
//   }
//   return run.finish(scores);
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>

#include "autograd/tape.h"
#include "reid/run/checkpoint.h"
#include "reid/run/config_file.h"
#include "reid/run/metrics.h"
#include "tensor/weights/folder_lock.h"

namespace saccade {

// What the program `train` is told.
struct RunOptions {
  ConfigSource config;
  std::string data, out;  // folders; `data` is empty for a system that needs none
  Device device = Device::cpu;
  int device_index = 0;
  std::string precision = "f32";
  uint64_t seed = 0;
  int64_t max_steps = 0;  // 0: as many as the schedule says
  int threads = 0;        // 0: OMP_NUM_THREADS, or one for each processor; a resumed run has its own number
  bool resume = false;

  // True: somebody wants the run to end (a signal). May be empty.
  std::function<bool()> stop_asked;

  // What the program shows while it waits. Each may be empty. `reading` is called on the thread that runs the training,
  // while pictures are read; what it throws ends the reading and goes through.
  std::function<void(const std::string& line)> notice;
  std::function<void(int64_t done, int64_t all)> reading;
  std::function<void(int64_t step, int64_t steps, double loss)> progress;
};

// Whether `tensor`, f32, holds neither a NaN nor an infinity.
bool all_finite(Context& context, const Tensor& tensor);

// Somebody asked a run to end, and it has. what() says how to go on.
class Stopped : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A config as text, apart from the type of its struct.
struct ConfigRecord {
  std::string all, essential;  // JSON: every key; those that decide the numbers of the run
  Changeable may_change;       // when a run is resumed
  // The essential keys of another config, those that it does not name at their defaults: `name` is for messages.
  std::function<std::string(const std::string& text, const std::string& name)> completed;
};
template <class Config>
ConfigRecord record_of(const Config& config) {
  return {json_of(config), essential_json_of(config), changeable_keys(config),
          [](const std::string& text, const std::string& name) {
            return essential_json_of(parse_config<Config>(text, name));
          }};
}

// The final bits of a run depend on the data, the config, the seed and the number of compute threads alone: not on the
// number of data workers, and not on how often the run was killed and resumed. A loop keeps that promise if everything
// that a later step depends on is kept here, or follows from the seed and the place.
class Run {
 public:
  using Json = nlohmann::json;

  // Opens options.out, which belongs to this run as long as it lives. With options.resume the last checkpoint there
  // that can be read decides where the run goes on; damaged ones are passed over with a notice.
  // InputError: a folder that another process trains into; one that already holds a run (without resume); one whose run
  // had other settings, another seed or precision, or none of whose checkpoints can be read (with it); a device without
  // this precision. Error: fewer threads can be started than the run began with.
  Run(const RunOptions& options, const ConfigRecord& config);
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Context& context() { return *context_; }
  uint64_t seed() const { return state_.seed; }
  bool resumed() const { return !resumed_from_.empty(); }
  const Place& place() const { return state_.place; }
  void notice(const std::string& line) const;

  // The data that the run learns from: the same, after a resume, as when it began. `fingerprint` tells the pictures of
  // two folders apart, `what` and `where` name them in the message. InputError if they differ.
  void check_data(const std::string& fingerprint, const std::string& what, const std::string& where);

  // What a checkpoint must hold, by name. The value lives as long as the run, and is filled now if the run was resumed.
  // A learner has been started, a tensor has its shape; a learner's name may be empty, that of others may not. JSON is
  // for small things: a person's answers, epsilon, the round that runs. InputError as read_learner.
  void keep(const std::string& name, Learner& learner);
  void keep(const std::string& name, Tensor& tensor);
  void keep(const std::string& name, Json& value);

  // The random state of a tape (Tape::random), i64 [2]: seed and steps done. Written between segments.
  const Tensor& random() const { return random_; }
  void write_random();

  // The last step of this call: of `whole`, or fewer by options.max_steps.
  int64_t stops_at(int64_t whole) const;

  // Each moves the place on: epochs and batches begin anew after the larger unit.
  void step_done();
  void epoch_done();
  void stage_done();

  // A line of metrics.jsonl: step, epoch, time, and these values.
  void log(const Json& values);
  void show_progress(int64_t steps, double loss) const;

  // True, and remembered, if `score` is above all before it in this stage. save() then keeps the
  // checkpoint of this step.
  bool is_best(double score);

  // Writes a checkpoint, between steps. Error if the folder was moved, if gradients wait in a kept learner, or if it
  // holds a number that is not finite: no run could resume from that. (The loss can stay finite for a step after a
  // weight has overflowed, so the optimizer's guard does not see it.)
  void save();

  // Throws Stopped where somebody has asked the run to end, after it has saved the run as it was after its last step.
  // For the end of each step and for evaluations, which change nothing that is kept.
  void stop_if_asked();

  // Calls `work`, which changes nothing that is kept: an evaluation, the reading of a batch. If it throws an Error, the
  // run is saved first as it was after its last step, and the message says so.
  template <class Work>
  auto saving_if_it_fails(const Work& work) {
    try {
      return work();
    } catch (const InputError& error) {
      throw InputError(error.what() + saved_before_failure());
    } catch (const Error& error) {
      throw Error(error.what() + saved_before_failure());
    }
  }

  // Throws Error: the loss of the step that runs is not finite. Names the last checkpoint and the op that
  // made the first NaN, or else the first infinity, which `forward`, the step once more, finds on its tape (the guard
  // of Learner::step has left the weights as they were).
  [[noreturn]] void stop_at_nan(const std::function<void(Tape&)>& forward);

  // Writes result.json: `result` with config, seed, device, precision, steps, checkpoint, seconds and
  // peak_bytes. Returns its text.
  std::string finish(Json result);

 private:
  void find_checkpoint(const ConfigRecord& config);
  void make_context();
  void check_name(const std::string& name) const;
  Metrics& metrics();
  std::string last_checkpoint() const;
  void save_last_step();
  std::string saved_before_failure();
  double seconds() const;

  RunOptions options_;
  FolderLock lock_;
  std::string config_;  // all keys
  double began_;
  RunState state_;
  Place after_step_;         // the place when the last step was done
  int64_t saved_step_ = -1;  // of the last checkpoint
  bool said_unsynced_ = false;
  std::string resumed_from_;  // a file; empty: the run begins
  std::unique_ptr<Context> context_;
  Kept kept_;
  Tensor random_;
  std::optional<Metrics> metrics_;  // from the first line on: a run that cannot begin leaves none
};

}  // namespace saccade
