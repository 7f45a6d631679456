// Systems that have less than ours: preload/limits.cpp stands for them.
#ifdef SACCADE_LIMITS

#include <algorithm>

#include "tests/tools/training.h"

using namespace saccade;

namespace {

Output run_with(const std::string& limits, const std::string& program, const std::string& options) {
  const std::string all =
      limits + " LD_PRELOAD=" SACCADE_LIMITS " " + command(training_folder(), program, options);
  const int status = std::system(all.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents(in_folder("stdout")),
          contents(in_folder("stderr"))};
}

Output train_with(const std::string& limits, const std::string& options) {
  return run_with(limits, "train", options);
}

int64_t times(const std::string& text, const std::string& part) {
  int64_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("a disk that knows no fsync is told of once; one that fails ends the run") {
  for (const int error : {EINVAL, EOPNOTSUPP, ENOSYS}) {
    const Output trained =
        train_with(concat("SACCADE_FSYNC_ERRNO=", error), small_run(concat("fsync", error), "--max-steps 3"));
    INFO(trained.errors);
    CHECK(trained.code == 0);
    CHECK(times(trained.errors, "cannot be told to keep a file") == 1);
  }
  for (const int error : {EIO, ENOSPC}) {
    const Output trained =
        train_with(concat("SACCADE_FSYNC_ERRNO=", error), small_run(concat("fsync", error), "--max-steps 3"));
    INFO(trained.errors);
    CHECK(trained.code == 1);
    CHECK_THAT(trained.errors, ContainsSubstring("writing to the disk failed"));
  }
}

TEST_CASE("where too few threads can be started, a run has one, with the bits of one") {
  const std::string in_folders = "--config " + in_folder("baseline.json") +
                                 data_option(small_run_of("baseline")) +
                                 " --seed 5 --set data.workers=2 --max-steps 3 --out ";
  succeeds("train", in_folders + in_folder("one_thread") + " --threads 1");
  for (const std::string limits :
       {"SACCADE_MOST_THREADS=0 OMP_NUM_THREADS=3", "SACCADE_MOST_THREADS=1 OMP_NUM_THREADS=3",
        "SACCADE_MOST_THREADS=2 OMP_NUM_THREADS=4"}) {
    fs::remove_all(in_folder("fewer_threads"));
    const Output fewer = train_with(limits, in_folders + in_folder("fewer_threads"));
    INFO(fewer.errors);
    CHECK(fewer.code == 0);
    CHECK_THAT(fewer.errors, ContainsSubstring(": one thread does the work"));
    check_same_end("fewer_threads", "one_thread");
  }

  // A run may have just the threads that it computes with, and none that read pictures.
  succeeds("train", in_folders + in_folder("three_threads") + " --threads 3");
  const Output just_enough =
      train_with("SACCADE_MOST_THREADS=2 OMP_NUM_THREADS=3", in_folders + in_folder("just_enough"));
  INFO(just_enough.errors);
  CHECK(just_enough.code == 0);
  CHECK_THAT(just_enough.errors, !ContainsSubstring("cannot be had"));
  check_same_end("just_enough", "three_threads");

  // A run that must have its number of threads says what stands in the way.
  const Output refused =
      train_with("SACCADE_MOST_THREADS=1", in_folders + in_folder("no_threads") + " --threads 3");
  INFO(refused.errors);
  CHECK(refused.code == 1);
  CHECK_THAT(refused.errors, ContainsSubstring("a pool of 3 threads cannot be had: the system limits them"));
}

TEST_CASE("where too few threads can be started, the other programs have one, too") {
  const std::string limits = "SACCADE_MOST_THREADS=1 OMP_NUM_THREADS=3";
  const std::string data = in_folder("baseline_data"), out = in_folder("scores.safetensors");
  succeeds("train", small_run("to_score", "--max-steps 1"));
  const std::string checkpoint = "--checkpoint " + last_checkpoint("to_score").path;
  const std::string images = checkpoint + " --images " + data + "/query --out " + out;
  const auto runs_with_one = [&](const std::string& program, const std::string& options) {
    const Output result = run_with(limits, program, options);
    INFO(program << " " << options << ": " << result.errors);
    CHECK(result.code == 0);
    CHECK(times(result.errors, "a pool of 3 threads cannot be had") == 1);
  };
  runs_with_one("evaluate", checkpoint + " --data " + data);
  runs_with_one("extract", images);
  runs_with_one("evaluate", "--query " + out + " --gallery " + out);
}

TEST_CASE("OMP_NUM_THREADS is heard where --threads says nothing") {
  const std::string options = "--config " + in_folder("baseline.json") +
                              data_option(small_run_of("baseline")) + " --seed 5 --max-steps 1 --out ";
  REQUIRE(train_with("OMP_NUM_THREADS=3", options + in_folder("heard")).code == 0);
  CHECK(read_run_state(last_checkpoint("heard").path).threads == 3);
  REQUIRE(train_with("OMP_NUM_THREADS=3", options + in_folder("told") + " --threads 2").code == 0);
  CHECK(read_run_state(last_checkpoint("told").path).threads == 2);
}

#endif
