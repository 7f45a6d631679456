// The program `train` on the baseline: what it keeps, what it refuses, and what it says. What every system must do
// stands in systems.cpp.
#include "kernels/common/device.h"
#include "tensor/weights/folder_lock.h"
#include "tensor/weights/safetensors.h"
#include "tests/tools/training.h"

using namespace saccade;

namespace {

std::string config_and(const std::string& options) {
  return "--config " + in_folder("baseline.json") + " " + options;
}

// Any file of a folder; for its name, not its order.
std::string first_file(const std::string& folder) {
  return fs::directory_iterator(in_folder(folder))->path().string();
}

void copy_data(const std::string& name) {
  fs::copy(in_folder("baseline_data"), in_folder(name), fs::copy_options::recursive);
}

// The message of an evaluation of the run's folder, which says what was taken, and why.
std::string taken(const std::string& out) {
  const Output scores =
      succeeds("evaluate", "--checkpoint " + in_folder(out) + " --data " + in_folder("baseline_data"));
  CHECK(scores.errors.find("\n\n") == std::string::npos);
  return scores.errors;
}

}  // namespace

TEST_CASE("the last epoch is whole, whatever the lengths of the epochs") {
  // Batches of identities with too few pictures left are dropped, so epochs differ by the seed's draws.
  for (const std::string seed : {"8", "9", "10"}) {
    const std::string out = "epochs" + seed;
    succeeds("train", config_and("--data " + in_folder("baseline_data") + " --out " + in_folder(out) +
                                 " --seed " + seed + " --threads 2 --set schedule.epochs=4"));
    const RunState state = read_run_state(last_checkpoint(out).path);
    CHECK(state.place.epoch == 4);
    CHECK(state.place.batch == 0);
  }
}

TEST_CASE("a schedule in steps ends after so many, in the middle of an epoch") {
  succeeds("train", small_run("in_steps", "--set schedule.unit=steps --set schedule.steps=5"));
  const RunState state = read_run_state(last_checkpoint("in_steps").path);
  CHECK(state.place.step == 5);
  check_refused(run("train", small_run("x", "--set schedule.unit=steps")),
                {"schedule.steps", "must be given"});
}

TEST_CASE("the best checkpoint and those of every_steps are there, with or without every_epochs") {
  const std::string rarely = "--set checkpoint.every_epochs=0 --set checkpoint.every_steps=0 ";
  succeeds("train", small_run("best", rarely + "--set evaluation.every=1"));
  const RunState state = read_run_state(last_checkpoint("best").path);
  CHECK(fs::exists(checkpoint_path(in_folder("best"), state.best_step)));
  CHECK(state.best_step < state.place.step);  // else the last one would do
  // One step an epoch: each step ends one.
  succeeds("train", small_run("steps",
                              "--set data.identities_per_batch=8 --set data.images_per_identity=6 "
                              "--set checkpoint.every_epochs=0 --set evaluation.every=100"));
  CHECK(checkpoints("steps").size() >= 2);
}

TEST_CASE("checkpoints of which none can be read stop a resume, and nothing is lost") {
  succeeds("train", small_run("lost", "--max-steps 3"));
  const CheckpointFile newest = last_checkpoint("lost");
  // A byte of the weights: the header is whole, the checksum is not.
  std::string flipped = newest.bytes;
  flipped[flipped.size() - flipped.size() / 4] ^= 0x10;
  training_folder().write("lost/" + newest.name, flipped);
  check_refused(run("train", small_run("lost", "--resume")), {newest.name, "is damaged"});
  for (const CheckpointFile& file : checkpoints("lost")) fs::resize_file(file.path, 1000);
  const auto before = checkpoints("lost");
  check_refused(run("train", small_run("lost", "--resume")), {"lost", "none of its checkpoints"});
  for (const CheckpointFile& file : before) CHECK(contents(file.path) == file.bytes);
}

TEST_CASE("a damaged checkpoint is passed over by resume") {
  succeeds("train", small_run("passed", "--max-steps 3"));
  const CheckpointFile newest = last_checkpoint("passed");
  fs::resize_file(newest.path, newest.bytes.size() / 2);
  const Output resumed = succeeds("train", small_run("passed", "--resume --max-steps 4"));
  CHECK_THAT(resumed.errors, ContainsSubstring("trying the checkpoint before it"));
}

TEST_CASE("a resumed run has the pictures and the threads that it began with") {
  copy_data("fewer");
  const std::string options =
      config_and("--data " + in_folder("fewer") + " --out " + in_folder("pictures") + " --seed 5 ");
  succeeds("train", options + "--threads 1 --max-steps 1");
  const Output threads = succeeds("train", options + "--threads 2 --max-steps 2 --resume");
  CHECK_THAT(threads.errors, ContainsSubstring("1 threads"));
  fs::remove(first_file("fewer/bounding_box_train"));
  check_refused(run("train", options + "--threads 1 --resume"), {"other pictures", "fewer"});
}

TEST_CASE("what cannot be extracted is refused before any work") {
  const std::string images = " --images " + in_folder("baseline_data/query") + " --out ";
  check_refused(run("extract", "--checkpoint /nowhere --images /nowhere --out " + training_folder().path()),
                {"is a folder"});
  check_refused(
      run("extract", "--checkpoint " + in_folder("baseline.json") + images + in_folder("x.safetensors")),
      {"baseline.json"});
  check_refused(
      run("extract", "--checkpoint " + in_folder("baseline_data") + images + in_folder("x.safetensors")),
      {"baseline_data: a folder without checkpoints"});
}

TEST_CASE("the folder of a run stands for its checkpoint: the one of its result, else the newest") {
  succeeds("train", small_run("r", "--max-steps 4"));
  CHECK_THAT(taken("r"), ContainsSubstring("checkpoint-4.safetensors (named by result.json)"));
  fs::copy(in_folder("r/checkpoint-4.safetensors"), in_folder("r/checkpoint-10.safetensors"));
  CHECK_THAT(taken("r"), ContainsSubstring("checkpoint-4.safetensors (named by result.json)"));
  training_folder().write("r/result.json", "{");
  CHECK_THAT(taken("r"), ContainsSubstring("checkpoint-10.safetensors (the newest)"));
  fs::remove(in_folder("r/result.json"));
  CHECK_THAT(taken("r"), ContainsSubstring("checkpoint-10.safetensors (the newest)"));
  const Output extracted =
      succeeds("extract", "--checkpoint " + in_folder("r") + " --images " + in_folder("baseline_data/query") +
                              " --out " + in_folder("r.safetensors"));
  CHECK_THAT(extracted.errors, ContainsSubstring("checkpoint-10.safetensors (the newest)"));
}

TEST_CASE("evaluate and extract take the checkpoint's config with what --set changes") {
  succeeds("train", small_run("set", "--max-steps 2"));
  const std::string of = "--checkpoint " + in_folder("set"), data = " --data " + in_folder("baseline_data");
  const auto scores = [&](const std::string& more) {
    return succeeds("evaluate", of + data + " --json " + more).out;
  };
  CHECK(scores("--set evaluation.metric=cosine") == scores("--metric cosine"));
  CHECK(scores("--set evaluation.metric=cosine") != scores(""));
  CHECK(scores("--set evaluation.flip=true --set data.workers=1") == scores("--flip"));
  check_refused(run("evaluate", of + data + " --set evaluation.metrik=cosine"),
                {"evaluation.metrik", "evaluation.metric"});
  check_refused(run("evaluate", of + data + " --set model.width=16"), {"checkpoint-2.safetensors"});
  check_refused(run("evaluate", of + data + " --set system=other"), {"system", "other"});
  check_refused(run("evaluate", "--query a --gallery b --set evaluation.batch=1"), {"--set", "--query"});

  const auto features = [&](const std::string& more) {
    const std::string file = in_folder("set.safetensors");
    succeeds("extract", of + " --images " + in_folder("baseline_data/query") + " --out " + file + " " + more);
    return contents(file);
  };
  CHECK(features("--set evaluation.flip=true") == features("--flip"));
  CHECK(features("--set evaluation.flip=true") != features(""));
  check_refused(run("extract", of + " --images " + in_folder("baseline_data/query") + " --out " +
                                   in_folder("x.safetensors") + " --set evaluation.flip=perhaps"),
                {"evaluation.flip", "perhaps"});
}

TEST_CASE(
    "more epochs may follow a run that has ended, and have the bits of a run that was as long from the "
    "start") {
  const std::string constant =
      "--set schedule.kind=constant --set checkpoint.every_steps=0 --set evaluation.every=1 ";
  succeeds("train", small_run("long", constant + "--set schedule.epochs=5"));
  succeeds("train", small_run("grown", constant + "--set schedule.epochs=3"));
  succeeds("train", small_run("grown", constant + "--set schedule.epochs=5 --resume"));
  check_same_end("grown", "long");
  check_refused(run("train", small_run("grown", constant + "--set schedule.epochs=4 --resume")),
                {"schedule.epochs: 5, now 4"});
  const std::string cosine = "--set schedule.kind=cosine --max-steps 2 ";
  succeeds("train", small_run("cosine", cosine));
  check_refused(run("train", small_run("cosine", cosine + "--set schedule.epochs=8 --resume")),
                {"schedule.epochs: 6, now 8"});
}

TEST_CASE("weights of any origin are scored and give features without a training") {
  succeeds("train", small_run("origin", "--max-steps 3"));
  const std::string checkpoint = last_checkpoint("origin").path,
                    data = " --data " + in_folder("baseline_data");
  const std::string images = " --images " + in_folder("baseline_data/query"),
                    config = " --config " + in_folder("baseline.json");
  const Output scores = succeeds("evaluate", "--weights " + checkpoint + config + data + " --json");
  CHECK(scores.out == succeeds("evaluate", "--checkpoint " + checkpoint + data + " --json").out);
  CHECK_THAT(scores.errors, ContainsSubstring("tensors loaded"));
  const std::string one = in_folder("one.safetensors"), other = in_folder("other.safetensors");
  succeeds("extract", "--checkpoint " + checkpoint + images + " --out " + one);
  succeeds("extract", "--weights " + checkpoint + config + images + " --out " + other);
  CHECK(contents(one) == contents(other));

  check_refused(run("evaluate", "--weights " + checkpoint + data), {"--weights", "--config"});
  check_refused(run("evaluate", "--weights " + checkpoint + config), {"--data"});
  check_refused(run("evaluate", "--weights " + one + config + data),
                {"one.safetensors"});  // features, no weights
  check_refused(run("extract", images + " --out " + one), {"--checkpoint", "--weights"});
  check_refused(run("evaluate", "--weights " + checkpoint + config + data + " --set system=other"),
                {"no system other"});
}

TEST_CASE("a run that was lengthened has the best checkpoint of one that was as long from the start") {
  const std::string rarely =
      "--set schedule.kind=constant --set checkpoint.every_steps=0 --set evaluation.every=4 ";
  succeeds("train", small_run("best_long", rarely));
  succeeds("train", small_run("best_grown", rarely + "--set schedule.epochs=1"));
  succeeds("train", small_run("best_grown", rarely + "--resume"));
  check_same_end("best_grown", "best_long");
}

TEST_CASE("a report that is asked for later does not call the trained network untrained") {
  succeeds("train", small_run("late", "--max-steps 3"));
  succeeds("train", small_run("late", "--resume --set report=true"));
  const auto result = nlohmann::json::parse(contents(in_folder("late/result.json")));
  CHECK(result.at("before").is_null());
  CHECK(result.at("after").contains("mAP"));
}

TEST_CASE("a path may hold any bytes") {
  const std::string out = "out_\xe9\xff";
  succeeds("train", small_run(out, "--max-steps 2"));
  CHECK(nlohmann::json::parse(contents(in_folder(out + "/result.json"))).contains("mAP"));
  const std::string weights = in_folder("weights_\xe9.safetensors");
  fs::copy(last_checkpoint(out).path, weights);
  const std::string start = "--set model.weights=" + weights + " ";
  succeeds("train", small_run("bytes", start + "--max-steps 2"));
  succeeds("train", small_run("bytes", start + "--resume --max-steps 3"));
  succeeds("extract", "--checkpoint " + in_folder("bytes") + " --images " + in_folder("baseline_data/query") +
                          " --json --out " + in_folder("features_\xff.safetensors"));
}

TEST_CASE("who reads the lines of a training may end before it does") {
  const std::string program = SACCADE_BINARY_DIR "/tools/train " + small_run("unread", "--max-steps 3");
  const std::string code = in_folder("code");
  REQUIRE(std::system(("{ " + program + " >/dev/null; echo $? >" + code + "; } 2>&1 | true").c_str()) == 0);
  CHECK(contents(code) == "0\n");
  CHECK(fs::exists(in_folder("unread/result.json")));
}

TEST_CASE("a limit of the size of files is an error that says so") {
  const std::string limited = "ulimit -f 20; " + command(training_folder(), "train", small_run("limited"));
  const int status = std::system(limited.c_str());
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 1);
  CHECK_THAT(contents(in_folder("stderr")),
             ContainsSubstring("limited/") && ContainsSubstring("File too large"));
}

TEST_CASE("what extract writes does not replace what a living run has") {
  succeeds("train", small_run("living", "--max-steps 1"));
  const CheckpointFile before = last_checkpoint("living");
  const FolderLock held(in_folder("living"));
  const std::string options =
      "--checkpoint " + before.path + " --images " + in_folder("baseline_data/query") + " --out ";
  check_refused(run("extract", options + before.path), {"living: belongs to a run that is still going on"});
  check_refused(run("extract", options + in_folder("living/new")), {"living: belongs to a run"});
  CHECK((contents(before.path) == before.bytes));
}

TEST_CASE("weights that leave a part of the backbone random are refused") {
  succeeds("train", small_run("whole_weights", "--max-steps 1"));
  WeightFile file = read_safetensors(last_checkpoint("whole_weights").path);
  const std::string path = in_folder("changed.safetensors");
  const auto refused = [&](std::initializer_list<std::string> parts) {
    file.metadata.clear();
    write_safetensors(path, file);
    check_refused(run("train", small_run("x", "--set model.weights=" + path)), parts);
    check_refused(run("evaluate", "--weights " + path + " --config " + in_folder("baseline.json") +
                                      " --data " + in_folder("baseline_data")),
                  parts);
  };
  const auto original = file.tensors;
  // A value that is none.
  for (HostTensor& tensor : file.tensors)
    if (tensor.name == "conv1.weight")
      std::fill(tensor.bytes.begin(), tensor.bytes.begin() + 4, std::byte{0xff});
  refused({path, "conv1.weight", "not finite"});
  // A block that lacks.
  file.tensors = original;
  std::erase_if(file.tensors, [](const HostTensor& tensor) { return tensor.name.starts_with("layer3.0."); });
  refused({path, "holds not all tensors of the network resnet10_compact", "not found: 'layer3.0."});
  // Names that no rule leads from: the stem is found, and the stages are not.
  file.tensors = original;
  for (HostTensor& tensor : file.tensors)
    if (tensor.name.starts_with("layer")) tensor.name = "stage_" + tensor.name.substr(5);
  refused({path, " of the network resnet10_compact", "the file has "});
}

TEST_CASE("bad input is one line with the file and the reason, and exit code 2") {
  const auto refused = [](const std::string& more, std::initializer_list<std::string> parts) {
    check_refused(run("train", small_run("x", more)), parts);
  };
  refused("--set model.backbome=resnet50", {"model.backbome", "model.backbone"});
  refused("--set model.backbone=resnet51", {"resnet51", "resnet50"});
  refused("--set data.height=tall", {"data.height", "whole number"});
  refused("--set data.flip=2", {"data.flip", "between"});
  std::string reason;
  if (!has_precision(Context(), Precision::bf16, &reason))
    refused("--precision bf16 --device cpu", {"--precision bf16: " + reason});
  refused("--device cuda:9", {"cuda:9"});
  refused("--max-steps -1", {"--max-steps: -1 is not a whole number from 0"});
  refused("--set model.weights=" + in_folder("baseline.json"), {"baseline.json", "but a text file"});
  // Before a picture is read.
  CHECK(run("train", small_run("early", "--set model.weights=" + in_folder("baseline.json")))
            .errors.find("reading") == std::string::npos);
  const std::string goldens = std::string(SACCADE_SOURCE_DIR) + "/tests/goldens/weights/";
  refused("--set model.weights=" + goldens + "plain.pth",
          {"plain.pth: holds no tensor of the network resnet10_compact: the file has 'conv1.weight'",
           "; the network has 'conv1.weight'",
           "; of another shape: 'conv1.weight': file f32 [4,3,2,2], network ["});
  refused("--set model.weights=" + goldens + "whole_model.pth",
          {"whole_model.pth", "Sequential", "state_dict"});
  training_folder().write("int8.safetensors",
                          std::string("\x44\0\0\0\0\0\0\0", 8) +
                              R"({"net.conv1.weight":{"dtype":"I8","shape":[3],"data_offsets":[0,3]}})" +
                              "abc");
  refused("--set model.weights=" + in_folder("int8.safetensors"),
          {"int8.safetensors: tensor 'net.conv1.weight': it is of the type 'I8', which is not read here"});
  refused(R"(--set 'optimizer.groups=[{"prefix": "head"}]')", {"optimizer.groups", "head"});
  const std::string nowhere = " --data /nowhere --out /tmp/x";
  check_refused(run("train", "--config /nowhere.json" + nowhere), {"/nowhere.json"});
  check_refused(run("train", "--data /nowhere"), {"--config"});
  check_refused(run("train", "--config " + training_folder().path() + nowhere),
                {training_folder().path(), "is a folder"});
  check_refused(run("train", "--config /nowhere --seed -1" + nowhere), {"--seed: -1 is not a whole number"});
  check_refused(
      run("train", config_and("--data " + in_folder("nothing") + " --out " + in_folder("x_nothing"))),
      {"nothing"});
}

TEST_CASE("a folder that holds a run is taken up by --resume with the same settings alone") {
  succeeds("train", small_run("taken", "--max-steps 1"));
  check_refused(run("train", small_run("taken")), {"taken", "--resume"});
  check_refused(run("train", small_run("taken", "--resume --set loss.margin=0.5")), {"loss.margin", "0.5"});
}

TEST_CASE("with a neck the loss stays finite while the statistics overflow: evaluation says so") {
  const Output features = run("train", small_run("inf",
                                                 "--set optimizer.learning_rate=1e6 --set optimizer.kind=sgd "
                                                 "--set schedule.warmup_epochs=0"));
  INFO(features.errors);
  CHECK(features.code == 1);
  CHECK_THAT(features.errors, ContainsSubstring("not finite"));
}

TEST_CASE("a damaged image stops the run before its first step and is named") {
  const auto options = [](const std::string& data) {
    return config_and("--data " + in_folder(data) + " --out " + in_folder(data + "_out"));
  };
  copy_data("damaged");
  const std::string victim = first_file("damaged/bounding_box_train");
  fs::resize_file(victim, 0);
  check_refused(run("train", options("damaged")), {fs::path(victim).filename().string()});
  CHECK_FALSE(fs::exists(in_folder("damaged_out/result.json")));

  // The pictures of the first evaluation, too.
  copy_data("evaluated");
  const std::string query = first_file("evaluated/query");
  fs::resize_file(query, fs::file_size(query) / 2);
  check_refused(run("train", options("evaluated")), {fs::path(query).filename().string()});

  // And whether there is anything to find.
  fs::remove_all(in_folder("evaluated/query"));
  fs::copy_file(first_file("baseline_data/query"), in_folder("evaluated/query/0999_c1s1_000001_00.jpg"));
  check_refused(run("train", options("evaluated")), {"evaluated/query", "none of the query persons"});
  CHECK_FALSE(fs::exists(in_folder("evaluated_out/metrics.jsonl")));
}

TEST_CASE("train, evaluate and extract run on simt as on the CPU, with the same bits after a resume") {
  const std::string simt = "--device simt --set data.jitter=0.2 ";
  const Output first = run("train", small_run("simt", simt + "--max-steps 4"));
  if (first.code == 2 && first.errors.find("built without") != std::string::npos) {
    WARN(first.errors);
    return;
  }
  INFO(first.errors);
  REQUIRE(first.code == 0);
  CHECK_THAT(contents(in_folder("simt/result.json")), ContainsSubstring("\"device\": \"simt\""));

  // Two steps and two more: the second half begins without a recorded step, and ends with the same bits.
  succeeds("train", small_run("simt_parts", simt + "--max-steps 2"));
  succeeds("train", small_run("simt_parts", simt + "--max-steps 4 --resume"));
  check_same_end("simt_parts", "simt");

  const std::string checkpoint = "--checkpoint " + last_checkpoint("simt").path;
  const std::string features = in_folder("device_features.safetensors");
  for (const std::string device : {" --device cpu", " --device simt --precision bf16"}) {
    const Output scores =
        succeeds("evaluate", checkpoint + " --data " + in_folder("baseline_data") + " --json" + device);
    CHECK_THAT(scores.out, ContainsSubstring("\"mAP\""));
    succeeds("extract",
             checkpoint + " --images " + in_folder("baseline_data/query") + " --out " + features + device);
    CHECK(read_safetensors(features).find("features")->dtype == DType::f32);
  }

  if (has_precision(Context(), Precision::bf16)) {
    succeeds("train", small_run("cpu_bf16", "--precision bf16 --max-steps 2"));
    succeeds("evaluate", "--checkpoint " + in_folder("cpu_bf16") + " --precision bf16 --data " +
                             in_folder("baseline_data"));
  }
  succeeds("train", small_run("simt_bf16", "--device simt --precision bf16 --max-steps 2"));
  check_refused(run("train", small_run("simt_bf16", "--device simt --resume")), {"precision", "bf16"});
  check_refused(run("train", small_run("x", "--device simt --precision tf32")), {"--precision tf32", "simt"});
  check_refused(
      run("extract", checkpoint + " --images /nowhere --device cpu --precision tf32 --out " + features),
      {"--precision tf32", "cpu"});
}
