// train: from a config, and for most systems a folder of images, to an evaluated network.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <optional>

#include "reid/systems.h"
#include "tools/common/device_option.h"
#include "tools/common/program.h"
#include "tools/common/progress.h"
#include "tools/common/reading.h"
#include "tools/common/stop_signal.h"
#include "tools/common/whole_number.h"

using namespace saccade;

namespace {

// "baseline (a residual network with ID and triplet loss), ..."
std::string list_of_systems() {
  std::string list;
  for (const System& system : systems())
    list += (list.empty() ? "" : ", ") + system.name + " (" + system.purpose + ")";
  return list;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Trains one of the systems and evaluates it: " + list_of_systems() + ".");
  RunOptions options;
  std::string device = "auto";
  bool json = false;
  app.add_option(
         "--config", options.config.path,
         "JSON file of settings; tools/configs/ holds examples; its key `system` says what is trained")
      ->required();
  app.add_option("--data", options.data,
                 "folder to learn from, or its parent; it holds " + data_of_systems());
  app.add_option("--out", options.out, "folder for checkpoints, metrics.jsonl and result.json")->required();
  app.add_option("--set", options.config.assignments, "change one setting: section.key=value (repeatable)")
      ->allow_extra_args(false);
  app.add_option("--device", device,
                 "auto, cpu, cuda or cuda:N; simt runs the CUDA kernels on the host, for tests")
      ->capture_default_str();
  app.add_option("--precision", options.precision, "f32, tf32 or bf16")
      ->check(CLI::IsMember({"f32", "tf32", "bf16"}))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "of everything that is random")
      ->check(whole_number())
      ->capture_default_str();
  app.add_option("--threads", options.threads,
                 "compute threads; 0: OMP_NUM_THREADS, or one for each processor")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--max-steps", options.max_steps, "stop after this many steps; 0: as the schedule says")
      ->check(whole_number(INT64_MAX))
      ->capture_default_str();
  app.add_flag("--resume", options.resume, "continue from the last checkpoint in --out");
  app.add_flag("--json", json, "print result.json on stdout");

  bool stopped = false;
  const int code = run_program("train", app, argc, argv, [&] {
    catch_stop_signals();
    options.stop_asked = [] { return stop_signal() != 0; };
    const DeviceChoice choice = choose_device(device);
    options.device = choice.device;
    options.device_index = choice.index;
    const System& system = system_of(options.config);
    check_input(
        system.reads_data() != options.data.empty(), "--data: the system ", system.name,
        system.reads_data() ? " learns from a folder of data, which must be given" : " reads no data");

    std::unique_ptr<Progress> progress;
    options.notice = [&](const std::string& line) {
      if (progress) return progress->print(line);
      print_notice(line);
    };
    std::optional<ReadingProgress> reading;
    options.reading = [&reading](int64_t done, int64_t all) {
      if (stop_signal() != 0) throw Stopped("stopped while it read pictures; the same command begins again");
      if (!reading) reading.emplace();
      reading->report().progress(done, all);
    };
    options.progress = [&](int64_t step, int64_t steps, double loss) {
      if (!progress) {
        progress = std::make_unique<Progress>("training", steps, "steps");
        progress->resume_at(step);  // the rate is that of the steps to come
      }
      progress->reach(step, concat("loss ", loss));
      if (step == steps) progress.reset();
    };
    std::string result;
    try {
      result = system.train(options);
    } catch (const Stopped& how) {
      progress.reset();
      reading.reset();
      print_notice(concat("train: ", one_line(how.what())));
      stopped = true;
      return;
    }
    progress.reset();  // the bar's line ends before the result
    if (stop_signal() != 0) print_notice("train: the run had come to its end");
    if (json) {
      std::cout << result;
    } else {
      std::cout << "results in " << options.out << "/result.json\n";
    }
  });
  return stopped ? 128 + stop_signal() : code;
}
