// What no system escapes: every row of reid/systems.h is trained here by the program `train`, killed, resumed and
// scored. A new row needs an entry in small_runs() (training.h).
#include "reid/systems.h"

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <map>
#include <thread>

#include "reid/run/metrics.h"
#include "reid/run/run.h"
#include "tensor/weights/folder_lock.h"
#include "tensor/weights/safetensors.h"
#include "tests/tools/training.h"

using namespace saccade;

namespace {

// One system with its small run; outputs go to folders of its own.
struct Row {
  const System& system;
  const SmallRun& small;

  std::string out(const std::string& name) const { return system.name + "_" + name; }
  std::string options(const std::string& name, const std::string& more = "") const {
    return small_run(out(name), more, system.name);
  }
  void train(const std::string& name, const std::string& more = "") const {
    succeeds("train", options(name, more));
  }
};

template <class Check>
void for_each_system(const Check& check) {
  for (const System& system : systems()) {
    INFO("the system " << system.name);
    const Row row{system, small_run_of(system.name)};
    REQUIRE(system.reads_data() == !row.small.data.empty());
    check(row);
  }
}

// How a training ended that was sent a signal after so long: its status as waitpid gives it.
int status_of(std::chrono::milliseconds time, int signal, const std::string& options) {
  const pid_t child = fork();
  if (child == 0) {
    const std::string all = "exec " + command(training_folder(), "train", options);
    execl("/bin/sh", "sh", "-c", all.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  std::this_thread::sleep_for(time);
  kill(child, signal);
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

// Starts the program and kills it after so long. True if it had come to its end by then.
bool ends_within(std::chrono::milliseconds time, const std::string& options) {
  const int status = status_of(time, SIGKILL, options);
  if (!WIFEXITED(status)) return false;
  INFO(contents(in_folder("stderr")));
  REQUIRE(WEXITSTATUS(status) == 0);
  return true;
}

}  // namespace

TEST_CASE("same seed, same bits: two runs, and another number of data workers") {
  for_each_system([](const Row& row) {
    row.train("first");
    row.train("second");
    check_same_end(row.out("second"), row.out("first"));
    row.train("workers", row.small.other_workers);
    check_same_end(row.out("workers"), row.out("first"));
  });
}

TEST_CASE("a run that is killed and resumed at ever later moments ends with the bits of an undisturbed one") {
  for_each_system([](const Row& row) {
    row.train("whole");
    int kills = 0;
    bool ended = false;
    for (int time = 60; !ended && time < 120000; time += time / 2) {
      const bool begun = fs::exists(in_folder(row.out("killed")));
      ended = ends_within(std::chrono::milliseconds(time), row.options("killed", begun ? "--resume" : ""));
      kills += !ended;
    }
    CHECK(ended);
    CHECK(kills >= 2);
    check_same_end(row.out("killed"), row.out("whole"));
  });
}

TEST_CASE("a run that is asked to end saves itself and says how to go on") {
  for_each_system([](const Row& row) {
    const std::string rarely = "--set checkpoint.every_steps=0 --set checkpoint.every_epochs=0";
    row.train("calm", rarely);
    int stops = 0;
    bool ended = false;
    for (int time = 60; !ended && time < 120000; time += time / 3) {
      const int signal = stops % 3 == 0 ? SIGTERM : stops % 3 == 1 ? SIGINT : SIGHUP;
      const auto before = list_checkpoints(in_folder(row.out("asked")));
      const bool begun = !before.empty();
      const int status = status_of(std::chrono::milliseconds(time), signal,
                                   row.options("asked", rarely + (begun ? " --resume" : "")));
      const std::string errors = contents(in_folder("stderr"));
      INFO(errors);
      if (WIFSIGNALED(status)) continue;  // it had not come to its main yet
      ended = WEXITSTATUS(status) == 0;
      if (ended) break;
      REQUIRE(WEXITSTATUS(status) == 128 + signal);
      const bool nothing = errors.find("the same command begins again") != std::string::npos;
      const std::string said = errors.substr(errors.rfind("train: stopped"));
      CHECK(std::count(said.begin(), said.end(), '\n') == 1);
      const auto after = list_checkpoints(in_folder(row.out("asked")));
      if (nothing) CHECK(after == before);
      if (nothing) continue;
      REQUIRE(!after.empty());
      CHECK_THAT(said, ContainsSubstring("--resume goes on from " +
                                         checkpoint_path(in_folder(row.out("asked")), after.back())));
      ++stops;
    }
    CHECK(ended);
    CHECK(stops >= 2);
    check_same_end(row.out("asked"), row.out("calm"));
  });
}

TEST_CASE("a run that is asked to end, at whatever moment it listens, loses nothing and repeats nothing") {
  for_each_system([](const Row& row) {
    RunOptions options;
    options.config = {in_folder(row.system.name + ".json"),
                      {"checkpoint.every_steps=0", "checkpoint.every_epochs=0"}};
    if (row.system.reads_data()) options.data = in_folder(row.system.name + "_data");
    options.seed = 5;
    options.threads = 1;
    options.max_steps = 9;
    const auto train_into = [&](const std::string& name, bool resume, int moment) {
      options.out = in_folder(row.out(name));
      options.resume = resume;
      options.stop_asked = [moment, listened = 0]() mutable { return ++listened == moment; };
      try {
        row.system.train(options);
        return true;
      } catch (const Stopped&) {
        return false;
      }
    };
    // What the lines of the metrics tell, apart from times.
    const auto story = [&](const std::string& name) {
      std::string lines;
      for (auto line : read_metrics(metrics_path(in_folder(row.out(name))))) {
        for (const char* key : {"time", "images_per_second"}) line.erase(key);
        lines += line.dump() + "\n";
      }
      return lines;
    };
    REQUIRE(train_into("deaf", false, 0));
    int moment = 1;
    for (bool ended = false; !ended; ++moment) {
      INFO("it is asked when it listens for time " << moment);
      fs::remove_all(in_folder(row.out("heard")));
      ended = train_into("heard", false, moment);
      if (!ended) REQUIRE(train_into("heard", true, 0));
      check_same_end(row.out("heard"), row.out("deaf"));
      CHECK(story("heard") == story("deaf"));
    }
    CHECK(moment > 9);
  });
}

TEST_CASE("a folder that a run is going on in belongs to it alone") {
  for_each_system([](const Row& row) {
    row.train("owned", "--max-steps 1");
    const FolderLock held(in_folder(row.out("owned")));
    REQUIRE(held.held());
    const auto before = checkpoints(row.out("owned"));
    for (const std::string more : {"", "--resume"})
      check_refused(run("train", row.options("owned", more)),
                    {row.out("owned"), concat("process ", getpid())});
    CHECK(checkpoints(row.out("owned")).size() == before.size());
  });
}

TEST_CASE("a run goes on with other settings that change no number") {
  for_each_system([](const Row& row) {
    row.train("rare", "--set checkpoint.every_steps=3");
    row.train("often", "--max-steps 4");
    row.train("often", "--resume --set checkpoint.every_steps=3");
    check_same_end(row.out("often"), row.out("rare"));
  });
}

TEST_CASE("max-steps writes a checkpoint that resume continues to the same bits") {
  for_each_system([](const Row& row) {
    row.train("at_once");
    row.train("parts", "--max-steps 2");
    for (const std::string steps : {"5", "6", "7"}) {
      row.train("parts", "--resume --max-steps " + steps);
      CHECK(fs::exists(in_folder(row.out("parts") + "/checkpoint-" + steps + ".safetensors")));
      CHECK(fs::exists(in_folder(row.out("parts") + "/result.json")));
    }
    // A line of metrics that is none of ours, and one that a killed run left half written.
    const std::string metrics = in_folder(row.out("parts") + "/metrics.jsonl");
    std::ofstream(metrics, std::ios::app) << "7\n{\"step\": \"x\"}\n{\"step\": 7, \"lo";
    row.train("parts", "--resume");
    check_same_end(row.out("parts"), row.out("at_once"));
    // A finished run has nothing left to do, and says the same again.
    const std::string said = contents(metrics);
    row.train("parts", "--resume");
    check_same_end(row.out("parts"), row.out("at_once"));
    CHECK(contents(metrics) == said);
    // The last two and the best are kept.
    CHECK(checkpoints(row.out("parts")).size() >= 2);
    CHECK(checkpoints(row.out("parts")).size() <= 3);
    // Every step is named once.
    std::map<int64_t, int> seen;
    for (const auto& line : read_metrics(metrics))
      if (line.contains("loss")) ++seen[line.at("step").get<int64_t>()];
    CHECK(seen.size() >= 5);
    for (const auto& [step, count] : seen) CHECK(count == 1);
  });
}

TEST_CASE("a loss that is not a number ends the run, names the op and the last good checkpoint") {
  for_each_system([](const Row& row) {
    const std::string no_checkpoints = " --set checkpoint.every_steps=0 --set checkpoint.every_epochs=0";
    const Output nan = run("train", row.options("nan", row.small.to_nan + no_checkpoints));
    INFO(nan.errors);
    CHECK(nan.code == 1);
    CHECK_THAT(nan.errors, ContainsSubstring("not finite at step"));
    CHECK_THAT(nan.errors, ContainsSubstring("the op "));

    const Output kept = run("train", row.options("kept", row.small.to_nan));
    INFO(kept.errors);
    CHECK(kept.code == 1);
    CHECK_THAT(kept.errors, ContainsSubstring("not finite at step"));
    CHECK_THAT(kept.errors, ContainsSubstring(row.out("kept") + "/checkpoint-"));
    // What is on disk is from before: every number is finite.
    for (const auto& tensor : read_safetensors(last_checkpoint(row.out("kept")).path).tensors) {
      if (tensor.dtype != DType::f32) continue;
      for (const float value : tensor.values<float>()) REQUIRE(std::isfinite(value));
    }
  });
}

TEST_CASE("a checkpoint alone is enough for evaluate and extract, with or without mirror images") {
  for_each_system([](const Row& row) {
    row.train("scored", "--max-steps 3");
    const std::string of = "--checkpoint " + last_checkpoint(row.out("scored")).path;
    const std::string data = data_option(row.small);
    const auto scores = nlohmann::json::parse(succeeds("evaluate", of + data + " --json").out);
    const auto result = nlohmann::json::parse(contents(in_folder(row.out("scored") + "/result.json")));
    CHECK(!scores.empty());
    for (const auto& [key, unused] : scores.items()) CHECK(result.contains(key));  // what `train` found, too
    check_refused(run("evaluate", of + data + " --set systems=x"), {"systems", "the nearest is system"});
    const std::string file = in_folder("features.safetensors");
    const std::string images = of + " --images " + in_folder(row.system.name + "_data/" + row.small.images);
    if (!row.system.open && !row.system.extract)
      return check_refused(run("extract", images + " --out " + file), {"gives no features"});

    succeeds("extract", images + " --out " + file);
    const WeightFile plain = read_safetensors(file);
    REQUIRE(plain.find("features") != nullptr);
    CHECK(plain.find("features")->shape[0] == plain.find("pids")->shape[0]);
    const auto names = nlohmann::json::parse(plain.metadata.at("files"));
    CHECK(static_cast<int64_t>(names.size()) == plain.find("features")->shape[0]);
    if (!row.system.evaluate) succeeds("evaluate", of + data + " --flip");
    if (row.system.extract) return;
    succeeds("extract", images + " --flip --out " + file);
    CHECK(read_safetensors(file).find("features")->bytes != plain.find("features")->bytes);
  });
}

TEST_CASE(
    "--data is given where a system reads it, and nowhere else; an unknown system is told the nearest") {
  for_each_system([](const Row& row) {
    const std::string bare =
        "--config " + in_folder(row.system.name + ".json") + " --out " + in_folder("unused");
    check_refused(
        run("train", bare + (row.system.reads_data() ? "" : " --data " + in_folder("baseline_data"))),
        {"--data", row.system.name});
    check_refused(run("train", row.options("unused", "--set system=" + row.system.name + "s")),
                  {"no system " + row.system.name + "s", "the nearest is " + row.system.name});
  });
}
