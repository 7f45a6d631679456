// Small trainings by the program `train`, and what they leave.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "reid/run/checkpoint.h"
#include "tests/tools/program.h"

namespace saccade {

namespace fs = std::filesystem;

// A small run of each system: what the tests that no system escapes train. It lasts at least half a second, so that it
// can be killed twice, and its first step is finite whatever the options. The tests expect at least seven steps, the
// keys checkpoint.every_steps and checkpoint.every_epochs (which they also set on the command line), a metric `loss`,
// and the keys of the evaluator in result.json; `to_nan` leads to an infinite loss whose first op the error names.
struct SmallRun {
  std::string system;
  std::string data;    // what `synthesize` is told to draw for it; empty where it reads none
  std::string images;  // the folder of that data which `extract` is shown; empty where it extracts nothing
  std::string config;  // JSON; a checkpoint at every step
  std::string other_workers;  // options that must not change a bit; empty where there are none
  std::string to_nan;         // options that make the loss infinite
};
inline const std::vector<SmallRun>& small_runs() {
  static const std::vector<SmallRun> runs = {
      {.system = "baseline",
       .data = "--kind image --ids 8 --cams 2 --images-per-cam 3 --seed 3",
       .images = "query",
       .config = R"({"model": {"backbone": "resnet10_compact", "width": 8},
           "data": {"height": 32, "width": 16, "identities_per_batch": 2, "images_per_identity": 3,
                    "pad": 2, "workers": 1},
           "schedule": {"epochs": 6, "warmup_epochs": 1}, "evaluation": {"every": 2},
           "checkpoint": {"every_epochs": 1, "every_steps": 1}})",
       .other_workers = "--set data.workers=2",
       .to_nan = "--set model.neck=false --set loss.id=1e6 --set evaluation.every=100 "
                 "--set optimizer.learning_rate=1e6 --set optimizer.kind=sgd "
                 "--set schedule.warmup_epochs=0"},
  };
  return runs;
}

// A folder of this test program: for each small run a config and, where it reads any, a set of data.
inline const TestFolder& training_folder() {
  static const TestFolder folder;
  static const bool drawn = [] {
    bool all = true;
    for (const SmallRun& run : small_runs()) {
      folder.write(run.system + ".json", run.config);
      if (run.data.empty()) continue;
      all =
          all &&
          run_program(folder, "synthesize", run.data + " --out " + folder / (run.system + "_data")).code == 0;
    }
    return all;
  }();
  REQUIRE(drawn);
  return folder;
}
inline std::string in_folder(const std::string& name) {
  return training_folder() / name;
}

inline const SmallRun& small_run_of(const std::string& system) {
  for (const SmallRun& run : small_runs())
    if (run.system == system) return run;
  throw std::runtime_error("no entry in small_runs() for the system " + system);
}

// " --data FOLDER", or nothing.
inline std::string data_option(const SmallRun& run) {
  return run.data.empty() ? "" : " --data " + in_folder(run.system + "_data");
}

// Options of a small run of `system` into the folder `out`.
inline std::string small_run(const std::string& out, const std::string& more = "",
                             const std::string& system = "baseline") {
  return "--config " + in_folder(system + ".json") + data_option(small_run_of(system)) + " --out " +
         in_folder(out) + " --seed 5 --threads 2 " + more;
}

inline Output run(const std::string& program, const std::string& arguments) {
  return run_program(training_folder(), program, arguments);
}

inline Output succeeds(const std::string& program, const std::string& arguments) {
  const Output result = run(program, arguments);
  INFO(result.errors);
  REQUIRE(result.code == 0);
  return result;
}

struct CheckpointFile {
  std::string name, path, bytes;
};

inline std::vector<CheckpointFile> checkpoints(const std::string& out) {
  std::vector<CheckpointFile> files;
  for (const int64_t step : list_checkpoints(in_folder(out))) {
    const std::string path = checkpoint_path(in_folder(out), step);
    files.push_back({fs::path(path).filename().string(), path, contents(path)});
  }
  return files;
}
inline CheckpointFile last_checkpoint(const std::string& out) {
  const auto files = checkpoints(out);
  REQUIRE(!files.empty());
  return files.back();
}
inline void check_same_end(const std::string& out, const std::string& expected) {
  const CheckpointFile a = last_checkpoint(out), b = last_checkpoint(expected);
  CHECK(a.name == b.name);
  CHECK((a.bytes == b.bytes));  // not worth printing
}

}  // namespace saccade
