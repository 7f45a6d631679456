// The program `train` as a user meets it: same bits whatever happens to the run, and one clear line for bad input.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <thread>

#include "tensor/weights/safetensors.h"
#include "tests/common/catch.h"

namespace fs = std::filesystem;
using saccade::concat;

namespace {

const std::string kTools = std::string(SACCADE_BINARY_DIR) + "/tools/";

struct Result {
  int code;
  std::string out, errors;
};

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// A folder of this test run with a small generated set in it.
const fs::path& folder() {
  static const fs::path path = [] {
    char name[] = "/tmp/saccade_train_XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    static struct Cleaner {
      fs::path target;
      ~Cleaner() { fs::remove_all(target); }
    } cleaner{name};
    const std::string make = kTools +
                             "synthesize --kind image --ids 8 --cams 2 --images-per-cam 3 --seed 3 --out " +
                             cleaner.target.string() + "/data >/dev/null 2>&1";
    REQUIRE(std::system(make.c_str()) == 0);
    std::ofstream(cleaner.target / "config.json")
        << R"({"model": {"backbone": "resnet10_compact", "width": 8},
               "data": {"height": 32, "width": 16, "identities_per_batch": 2, "images_per_identity": 3, "pad": 2, "workers": 1},
               "schedule": {"epochs": 6, "warmup_epochs": 1}, "evaluation": {"every": 2},
               "checkpoint": {"every_epochs": 1, "every_steps": 1}})";
    return cleaner.target;
  }();
  return path;
}

std::string command(const std::string& program, const std::string& arguments) {
  return kTools + program + " " + arguments + " >" + (folder() / "out").string() + " 2>" +
         (folder() / "err").string();
}

Result run(const std::string& program, const std::string& arguments) {
  const int status = std::system(command(program, arguments).c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents(folder() / "out"),
          contents(folder() / "err")};
}

std::string train_arguments(const std::string& out, const std::string& more = "") {
  return "--config " + (folder() / "config.json").string() + " --data " + (folder() / "data").string() +
         " --out " + (folder() / out).string() + " --seed 5 --threads 2 " + more;
}

// The name and bytes of the last checkpoint.
std::pair<std::string, std::string> last_checkpoint(const std::string& out) {
  std::map<long, fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder() / out)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("checkpoint-")) found[std::stol(name.substr(11))] = entry.path();
  }
  REQUIRE(!found.empty());
  return {found.rbegin()->second.filename().string(), contents(found.rbegin()->second)};
}

// Bad input: exit code 2 and one line that holds every given part.
void check_refused(const Result& result, std::initializer_list<std::string> parts, int code = 2) {
  INFO(result.errors);
  CHECK(result.code == code);
  const size_t last = result.errors.find_last_not_of('\n');
  const size_t begin = last == std::string::npos ? 0 : result.errors.rfind('\n', last);
  const std::string line = result.errors.substr(begin == std::string::npos ? 0 : begin + 1);
  for (const std::string& part : parts) CHECK(line.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("same seed, same bits: two runs, other numbers of data workers, and a run killed and resumed") {
  const Result first = run("train", train_arguments("a"));
  INFO(first.errors);
  REQUIRE(first.code == 0);
  const auto expected = last_checkpoint("a");

  REQUIRE(run("train", train_arguments("b")).code == 0);
  CHECK((last_checkpoint("b") == expected));

  for (const std::string workers : {"0", "2"}) {
    REQUIRE(run("train", train_arguments("workers" + workers, "--set data.workers=" + workers)).code == 0);
    CHECK((last_checkpoint("workers" + workers) == expected));
  }

  // SIGKILL at ever later moments until a run gets through.
  int kills = 0;
  for (int milliseconds = 60; milliseconds < 120000; milliseconds += milliseconds / 2) {
    const pid_t child = fork();
    if (child == 0) {
      const std::string all =
          "exec " +
          command("train", train_arguments("killed", fs::exists(folder() / "killed") ? "--resume" : ""));
      execl("/bin/sh", "sh", "-c", all.c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status)) {
      INFO(contents(folder() / "err"));
      REQUIRE(WEXITSTATUS(status) == 0);
      break;
    }
    ++kills;
  }
  CHECK(kills >= 2);
  CHECK((last_checkpoint("killed") == expected));
}

TEST_CASE("max-steps writes a checkpoint that resume continues to the same bits") {
  REQUIRE(run("train", train_arguments("whole")).code == 0);
  REQUIRE(run("train", train_arguments("parts", "--max-steps 2")).code ==
          0);  // inside an epoch, then at the end of one
  for (const std::string steps : {"5", "6", "7"}) {
    REQUIRE(run("train", train_arguments("parts", "--resume --max-steps " + steps)).code == 0);
    CHECK(fs::exists(folder() / "parts" / ("checkpoint-" + steps + ".safetensors")));
    CHECK(fs::exists(folder() / "parts/result.json"));
  }
  // A line that a killed run left half written, and one that is none of ours.
  std::ofstream(folder() / "parts/metrics.jsonl", std::ios::app)
      << "7\n{\"step\": \"x\"}\n{\"step\": 7, \"lo";
  REQUIRE(run("train", train_arguments("parts", "--resume")).code == 0);
  CHECK((last_checkpoint("parts") == last_checkpoint("whole")));
  // A finished run has nothing left to do, and says the same again.
  const std::string metrics = contents(folder() / "parts/metrics.jsonl");
  REQUIRE(run("train", train_arguments("parts", "--resume")).code == 0);
  CHECK((last_checkpoint("parts") == last_checkpoint("whole")));
  CHECK(contents(folder() / "parts/metrics.jsonl") == metrics);
  // The last two and the best are kept.
  int kept = 0;
  for (const auto& entry : fs::directory_iterator(folder() / "parts"))
    kept += entry.path().filename().string().starts_with("checkpoint-");
  CHECK(kept >= 2);
  CHECK(kept <= 3);
  // metrics.jsonl names every step once.
  std::map<std::string, int> seen;
  std::ifstream lines(folder() / "parts/metrics.jsonl");
  for (std::string line; std::getline(lines, line);)
    if (line.find("\"loss\"") != std::string::npos)
      ++seen[line.substr(line.find("\"step\""),
                         line.find(',', line.find("\"step\"")) - line.find("\"step\""))];
  CHECK(seen.size() >= 5);
  for (const auto& [step, count] : seen) CHECK(count == 1);
}

TEST_CASE("the last epoch is whole, whatever the lengths of the epochs, and progress knows their sum") {
  // Batches of identities with too few pictures left are dropped, so epochs differ by the seed's draws.
  for (const std::string seed : {"8", "9", "10"}) {
    const std::string out = "epochs" + seed;
    REQUIRE(run("train", "--config " + (folder() / "config.json").string() + " --data " +
                             (folder() / "data").string() + " --out " + (folder() / out).string() +
                             " --seed " + seed + " --threads 2 --set schedule.epochs=4")
                .code == 0);
    const std::string state =
        saccade::read_safetensors_header((folder() / out / last_checkpoint(out).first).string())
            .metadata.at("run");
    INFO(state);
    CHECK(state.find("\"epoch\":4") != std::string::npos);
    CHECK(state.find("\"batch\":0") != std::string::npos);
  }
}

TEST_CASE("the best checkpoint and those of every_steps are there, with or without every_epochs") {
  REQUIRE(run("train",
              train_arguments(
                  "best",
                  "--set checkpoint.every_epochs=0 --set checkpoint.every_steps=0 --set evaluation.every=1"))
              .code == 0);
  const std::string state =
      saccade::read_safetensors_header((folder() / "best" / last_checkpoint("best").first).string())
          .metadata.at("run");
  const std::string best =
      state.substr(state.find("\"best_step\":") + 12,
                   state.find(',', state.find("\"best_step\":")) - state.find("\"best_step\":") - 12);
  CHECK(fs::exists(folder() / "best" / ("checkpoint-" + best + ".safetensors")));
  CHECK(last_checkpoint("best").first !=
        "checkpoint-" + best + ".safetensors");  // else the last one would do
  // One step an epoch: each step ends one.
  const std::string one =
      "--set data.identities_per_batch=8 --set data.images_per_identity=6 --set checkpoint.every_epochs=0 "
      "--set evaluation.every=100 ";
  REQUIRE(run("train", train_arguments("steps", one)).code == 0);
  CHECK(saccade::read_safetensors_header((folder() / "steps" / last_checkpoint("steps").first).string())
            .metadata.count("run") == 1);
  int kept = 0;
  for (const auto& entry : fs::directory_iterator(folder() / "steps"))
    kept += entry.path().filename().string().starts_with("checkpoint-");
  CHECK(kept >= 2);
}

TEST_CASE("checkpoints of which none can be read stop a resume, and nothing is lost") {
  REQUIRE(run("train", train_arguments("lost", "--max-steps 3")).code == 0);
  const auto newest = last_checkpoint("lost");
  // A byte of the weights: the header is whole, the checksum is not.
  std::string flipped = newest.second;
  flipped[flipped.size() - flipped.size() / 4] ^= 0x10;
  std::ofstream(folder() / "lost" / newest.first, std::ios::binary | std::ios::trunc) << flipped;
  check_refused(run("train", train_arguments("lost", "--resume")), {newest.first, "is damaged"});
  std::map<std::string, std::string> before;
  for (const auto& entry : fs::directory_iterator(folder() / "lost")) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("checkpoint-")) fs::resize_file(entry.path(), 1000);
    before[name] = contents(entry.path());
  }
  check_refused(run("train", train_arguments("lost", "--resume")), {"lost", "none of its checkpoints"});
  for (const auto& [name, bytes] : before) CHECK(contents(folder() / "lost" / name) == bytes);
}

TEST_CASE("a resumed run has the pictures and the threads that it began with") {
  fs::copy(folder() / "data", folder() / "fewer", fs::copy_options::recursive);
  const std::string more = " --data " + (folder() / "fewer").string() + " --out " +
                           (folder() / "pictures").string() + " --seed 5 ";
  const std::string config = "--config " + (folder() / "config.json").string();
  REQUIRE(run("train", config + more + "--threads 1 --max-steps 1").code == 0);
  const Result threads = run("train", config + more + "--threads 2 --max-steps 2 --resume");
  CHECK(threads.code == 0);
  CHECK(threads.errors.find("1 threads") != std::string::npos);
  fs::remove(fs::directory_iterator(folder() / "fewer/bounding_box_train")->path());
  check_refused(run("train", config + more + "--threads 1 --resume"), {"other pictures", "fewer"});
}

TEST_CASE("a checkpoint alone is enough for extract, and a damaged one is passed over by resume") {
  REQUIRE(run("train", train_arguments("c", "--max-steps 3")).code == 0);
  const auto newest = last_checkpoint("c");
  const std::string features = (folder() / "features.safetensors").string();
  const Result extracted =
      run("extract", "--checkpoint " + (folder() / "c" / newest.first).string() + " --images " +
                         (folder() / "data/query").string() + " --out " + features);
  INFO(extracted.errors);
  REQUIRE(extracted.code == 0);
  const auto file = saccade::read_safetensors(features);
  REQUIRE(file.find("features") != nullptr);
  CHECK(file.find("features")->shape == std::vector<int64_t>{file.find("pids")->shape[0], 64});
  CHECK(file.metadata.at("files").find(".jpg") != std::string::npos);

  std::ofstream(folder() / "c" / newest.first, std::ios::binary | std::ios::trunc)
      << newest.second.substr(0, newest.second.size() / 2);
  const Result resumed = run("train", train_arguments("c", "--resume --max-steps 4"));
  INFO(resumed.errors);
  CHECK(resumed.code == 0);
  CHECK(resumed.errors.find("trying the checkpoint before it") != std::string::npos);
  // Where the features cannot go is known before the checkpoint is read.
  check_refused(run("extract", "--checkpoint /nowhere --images /nowhere --out " + folder().string()),
                {"is a folder"});
  check_refused(run("extract", "--checkpoint " + (folder() / "config.json").string() + " --images " +
                                   (folder() / "data/query").string() + " --out " + features),
                {"config.json"});
}

TEST_CASE("the folder of a run stands for its checkpoint: the one of its result, else the newest") {
  REQUIRE(run("train", train_arguments("r", "--max-steps 4")).code == 0);
  const std::string out = (folder() / "r").string(),
                    data = " --data " + (folder() / "data").string() + " --json";
  const auto taken = [&](const std::string& why) {
    const Result scores = run("evaluate", "--checkpoint " + out + data);
    INFO(scores.errors);
    CHECK(scores.code == 0);
    CHECK(scores.errors.find("\n\n") == std::string::npos);
    const size_t at = scores.errors.find("checkpoint-");
    REQUIRE(at != std::string::npos);
    CHECK(scores.errors.find(why) != std::string::npos);
    return scores.errors.substr(at, scores.errors.find(' ', at) - at);
  };
  CHECK(taken("(named by result.json)") == "checkpoint-4.safetensors");
  fs::copy(folder() / "r/checkpoint-4.safetensors", folder() / "r/checkpoint-10.safetensors");
  CHECK(taken("(named by result.json)") == "checkpoint-4.safetensors");
  std::ofstream(folder() / "r/result.json") << "{";
  CHECK(taken("(the newest)") == "checkpoint-10.safetensors");
  fs::remove(folder() / "r/result.json");
  CHECK(taken("(the newest)") == "checkpoint-10.safetensors");
  const std::string images =
      " --images " + (folder() / "data/query").string() + " --out " + (folder() / "r.safetensors").string();
  const Result extracted = run("extract", "--checkpoint " + out + images);
  INFO(extracted.errors);
  CHECK(extracted.code == 0);
  CHECK(extracted.errors.find("checkpoint-10.safetensors (the newest)") != std::string::npos);
  check_refused(run("extract", "--checkpoint " + (folder() / "data").string() + images),
                {"data: a folder without checkpoints"});
}

TEST_CASE("bad input is one line with the file and the reason, and exit code 2") {
  check_refused(run("train", train_arguments("x", "--set model.backbome=resnet50")),
                {"model.backbome", "model.backbone"});
  check_refused(run("train", train_arguments("x", "--set model.backbone=resnet51")),
                {"resnet51", "resnet50"});
  check_refused(run("train", train_arguments("x", "--set data.height=tall")),
                {"data.height", "whole number"});
  check_refused(run("train", train_arguments("x", "--set data.flip=2")), {"data.flip", "between"});
  check_refused(run("train", train_arguments("x", "--precision bf16 --device cpu")), {"bf16"});
  check_refused(run("train", train_arguments("x", "--device cuda:9")), {"cuda:9"});
  check_refused(run("train", "--config /nowhere.json --data /nowhere --out /tmp/x"), {"/nowhere.json"});
  check_refused(run("train", "--data /nowhere"), {"--config"});
  check_refused(run("train", "--config " + folder().string() + " --data /nowhere --out /tmp/x"),
                {folder().string(), "is a folder"});
  check_refused(run("train", train_arguments("x", "--max-steps -1")),
                {"--max-steps: -1 is not a whole number from 0"});
  check_refused(run("train", "--config /nowhere --data /nowhere --out /tmp/x --seed -1"),
                {"--seed: -1 is not a whole number"});
  check_refused(run("train", "--config " + (folder() / "config.json").string() + " --data " +
                                 (folder() / "nothing").string() + " --out " + (folder() / "x").string()),
                {"nothing"});
  REQUIRE(run("train", train_arguments("taken", "--max-steps 1")).code == 0);
  check_refused(run("train", train_arguments("taken")), {"taken", "--resume"});
  check_refused(run("train", train_arguments("taken", "--resume --set loss.margin=0.5")),
                {"loss.margin", "0.5"});
  check_refused(
      run("train", train_arguments("weights", "--set model.weights=" + (folder() / "config.json").string())),
      {"config.json"});
}

TEST_CASE("a loss that is not a number ends the run, names the op and the last good checkpoint") {
  const std::string wild =
      " --set optimizer.learning_rate=1e6 --set optimizer.kind=sgd --set schedule.warmup_epochs=0";
  const std::string exploding = "--set model.neck=false --set loss.id=1e6 --set evaluation.every=100" + wild;
  const Result nan = run(
      "train", train_arguments(
                   "named", exploding + " --set checkpoint.every_steps=0 --set checkpoint.every_epochs=0"));
  INFO(nan.errors);
  CHECK(nan.code == 1);
  CHECK(nan.errors.find("not finite at step") != std::string::npos);
  CHECK(nan.errors.find("the op ") != std::string::npos);
  const Result kept = run("train", train_arguments("nan", exploding));
  INFO(kept.errors);
  CHECK(kept.code == 1);
  CHECK(kept.errors.find("not finite at step") != std::string::npos);
  CHECK(kept.errors.find("nan/checkpoint-") != std::string::npos);
  // What is on disk is from before: every weight is finite.
  const auto saved = saccade::read_safetensors((folder() / "nan" / last_checkpoint("nan").first).string());
  for (const auto& tensor : saved.tensors)
    if (tensor.dtype == saccade::DType::f32)
      for (float value : tensor.values<float>()) REQUIRE(std::isfinite(value));

  // With a neck the loss stays finite while the statistics overflow: evaluation says so.
  const Result features = run("train", train_arguments("inf", wild));
  INFO(features.errors);
  CHECK(features.code == 1);
  CHECK(features.errors.find("not finite") != std::string::npos);
}

TEST_CASE("a damaged image stops the run before its first step and is named") {
  fs::copy(folder() / "data", folder() / "damaged", fs::copy_options::recursive);
  const fs::path victim = fs::directory_iterator(folder() / "damaged/bounding_box_train")->path();
  std::ofstream(victim, std::ios::binary | std::ios::trunc).close();
  const Result result =
      run("train", "--config " + (folder() / "config.json").string() + " --data " +
                       (folder() / "damaged").string() + " --out " + (folder() / "d").string());
  check_refused(result, {victim.filename().string()});
  CHECK_FALSE(fs::exists(folder() / "d/result.json"));

  // The pictures of the first evaluation, too, and whether there is anything to find.
  fs::copy(folder() / "data", folder() / "evaluated", fs::copy_options::recursive);
  const std::string more = "--config " + (folder() / "config.json").string() + " --data " +
                           (folder() / "evaluated").string() + " --out " + (folder() / "e").string();
  const fs::path query = fs::directory_iterator(folder() / "evaluated/query")->path();
  fs::resize_file(query, fs::file_size(query) / 2);
  check_refused(run("train", more), {query.filename().string()});
  fs::remove_all(folder() / "evaluated/query");
  fs::create_directory(folder() / "evaluated/query");
  fs::copy_file(fs::directory_iterator(folder() / "data/query")->path(),
                folder() / "evaluated/query/0999_c1s1_000001_00.jpg");
  check_refused(run("train", more), {"evaluated/query", "none of the query persons"});
  CHECK_FALSE(fs::exists(folder() / "e/metrics.jsonl"));
}

TEST_CASE(
    "train, evaluate and extract run on simt as on the CPU: the same config, the same bits after a resume") {
  const Result first =
      run("train", train_arguments("simt", "--device simt --set data.jitter=0.2 --max-steps 4"));
  if (first.code == 2 && first.errors.find("built without") != std::string::npos) {
    WARN(first.errors);
    return;
  }
  INFO(first.errors);
  REQUIRE(first.code == 0);
  CHECK(contents(folder() / "simt/result.json").find("\"device\": \"simt\"") != std::string::npos);
  const auto expected = last_checkpoint("simt");

  // Two steps and two more: the second half begins without a recorded step, and ends with the same bits.
  const std::string jitter = "--device simt --set data.jitter=0.2 ";
  REQUIRE(run("train", train_arguments("simt_parts", jitter + "--max-steps 2")).code == 0);
  REQUIRE(run("train", train_arguments("simt_parts", jitter + "--max-steps 4 --resume")).code == 0);
  CHECK((last_checkpoint("simt_parts") == expected));

  const std::string checkpoint = (folder() / "simt" / expected.first).string();
  for (const std::string device : {"cpu", "simt --precision bf16"}) {
    const Result scores = run("evaluate", "--checkpoint " + checkpoint + " --data " +
                                              (folder() / "data").string() + " --json --device " + device);
    INFO(scores.errors);
    CHECK(scores.code == 0);
    CHECK(scores.out.find("\"mAP\"") != std::string::npos);
    const Result extracted =
        run("extract", "--checkpoint " + checkpoint + " --images " + (folder() / "data/query").string() +
                           " --out " + (folder() / "device_features.safetensors").string() + " --device " +
                           device);
    INFO(extracted.errors);
    CHECK(extracted.code == 0);
    CHECK(saccade::read_safetensors((folder() / "device_features.safetensors").string())
              .find("features")
              ->dtype == saccade::DType::f32);
  }

  const Result narrow =
      run("train", train_arguments("simt_bf16", "--device simt --precision bf16 --max-steps 2"));
  INFO(narrow.errors);
  REQUIRE(narrow.code == 0);
  check_refused(run("train", train_arguments("simt_bf16", "--device simt --resume")), {"precision", "bf16"});
  check_refused(run("train", train_arguments("x", "--device simt --precision tf32")),
                {"--precision tf32", "simt"});
  check_refused(run("extract", "--checkpoint " + checkpoint +
                                   " --images /nowhere --device cpu --precision bf16 --out " +
                                   (folder() / "x.safetensors").string()),
                {"--precision bf16", "cpu"});
}
