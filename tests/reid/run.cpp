// A training on disk that has everything that the systems ask of one: two stages, a learner that follows another one, a
// second learner that moves, a memory that the batches are drawn from, and answers that decide the next question.
#include "reid/run/run.h"

#include <algorithm>

#include "autograd/functions/loss.h"
#include "autograd/segment.h"
#include "layers/modules.h"
#include "reid/run/sections.h"
#include "reid/systems.h"
#include "tensor/weights/safetensors.h"
#include "tests/common/catch.h"
#include "tests/reid/folder.h"

using namespace saccade;
using Json = nlohmann::json;

namespace {

constexpr int64_t kWidth = 4, kClasses = 3, kMemory = 5, kStageSteps = 4, kStages = 2;

struct ToyConfig {
  std::string system = "toy";
  double learning_rate = 0.05;
  OptimizerSection optimizer;
};
void describe(Keys& keys, ToyConfig& config) {
  keys("system", config.system, {"toy"});
  keys("learning_rate", config.learning_rate, {0, 1});
  keys.section("optimizer", config.optimizer);
}

// What one stage reads of the other is in the checkpoint, or follows from the place.
std::string train_toy(const RunOptions& options) {
  const auto config = read_config<ToyConfig>(options.config);
  Run run(options, record_of(config));
  Context& context = run.context();
  const Place& place = run.place();

  Learner online, target, critic;
  const layers::Linear policy(online.parameters, "fc", kWidth, kClasses);
  const layers::Linear followed(target.parameters, "fc", kWidth, kClasses);
  const layers::Linear judge(critic.parameters, "fc", kWidth, kClasses);
  online.start(context, run.seed(), config.optimizer.config(online.parameters));
  target.start(context, run.seed() + 1);
  critic.start(context, run.seed() + 2, OptimizerConfig{OptimizerConfig::sgd});
  Tensor memory = Tensor::zeros(context, {kMemory, kWidth}, DType::f32);
  Json answers = Json::array();
  run.keep("", online);
  run.keep("target", target);
  run.keep("critic", critic);
  run.keep("memory", memory);
  run.keep("answers", answers);

  const Tensor labels(context, {kMemory}, DType::i64), loss(context, {1}, DType::f32);
  Segment segment(context);
  const int64_t last_step = run.stops_at(kStages * kStageSteps);
  while (place.step < last_step) {
    online.freeze("fc.bias", place.stage == 1);  // what a stage freezes follows from the stage
    while (place.batch < kStageSteps && place.step < last_step) {
      // A new row takes the place of the oldest; its class is asked for, and the question depends on the last answer.
      PhiloxStream random(run.seed(), static_cast<uint64_t>(place.step));
      std::vector<float> row(kWidth);
      for (float& x : row) x = random.normal();
      memory.slice(place.step % kMemory, place.step % kMemory + 1).write(context, row.data());
      const int64_t last = answers.empty() ? 0 : answers.back().get<int64_t>();
      answers.push_back((last + random.below(2)) % kClasses);
      std::vector<int64_t> classes(kMemory);
      for (size_t i = 0; i < classes.size(); ++i) classes[i] = answers[i % answers.size()].get<int64_t>();
      labels.write(context, classes.data());

      online.set_learning_rate(config.learning_rate);
      critic.set_learning_rate(config.learning_rate);
      segment.run([&] {
        Tape tape(context, {&online, &critic});
        const Variable seen = tape.constant(memory);
        const Variable one = cross_entropy(tape, policy(tape, seen), labels, 0);
        const Variable two = cross_entropy(tape, judge(tape, seen), labels, 0);
        const Variable three = cross_entropy(tape, followed(tape, seen), labels, 0);
        const Variable total = weighted_sum(tape, {one, two, three}, {1, 1, 1});
        copy(context, loss, total.value);
        tape.backward(total);
        online.step(loss);
        critic.step(loss);
      });
      if (place.step % 3 == 0) target.copy_from(online);
      run.step_done();
      run.log({{"loss", loss.item<float>(context)}});
      run.is_best(-loss.item<float>(context));
      if (place.batch < kStageSteps) run.save();
    }
    if (place.batch == kStageSteps) run.stage_done();
    run.save();
  }
  return run.finish({{"answers", answers}});
}

// Its own scores: the answers so far, the sum of the weights, and a setting. The critic and the target network
// are not read.
Scores evaluate_toy(Context& context, const CheckpointSource& source, const std::string&) {
  const RunState state = read_run_state(source.path);
  const auto config = parse_config<ToyConfig>(state.config, source.path, source.assignments);
  Learner online;
  const layers::Linear policy(online.parameters, "fc", kWidth, kClasses);
  check_shapes(source.path, "", online.parameters);
  online.start(context, 0);
  read_weights_of(context, source.path, "", online);
  double sum = 0;
  for (const float x : online.parameters.values.to_host<float>(context)) sum += x;
  return {{{"answers", state.values.at("answers").size()}, {"sum", sum}, {"rate", config.learning_rate}},
          "a table\n"};
}

RunOptions options_of(const TestFolder& folder, const std::string& out) {
  RunOptions options;
  options.config.path =
      folder.write("config.json", R"({"optimizer": {"groups": [{"prefix": "fc.bias", "rate_scale": 2}]}})");
  options.out = folder / out;
  options.seed = 3;
  options.threads = 1;
  return options;
}

std::string last_of(const std::string& out) {
  REQUIRE(!list_checkpoints(out).empty());
  return checkpoint_path(out, list_checkpoints(out).back());
}

template <class Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no Error";
}

}  // namespace

TEST_CASE("a run in stages, stopped and resumed after every step, has the bits of one that was not") {
  const TestFolder folder;
  const RunOptions whole = options_of(folder, "whole");
  const Json result = Json::parse(train_toy(whole));
  CHECK(result["steps"] == kStages * kStageSteps);
  CHECK(result["answers"].size() == kStages * kStageSteps);

  RunOptions parts = options_of(folder, "parts");
  for (parts.max_steps = 1; parts.max_steps <= kStages * kStageSteps; ++parts.max_steps) {
    train_toy(parts);
    parts.resume = true;
    parts.notice = {};
  }
  CHECK((bytes_of(last_of(parts.out)) == bytes_of(last_of(whole.out))));
  const RunState state = read_run_state(last_of(parts.out));
  CHECK(state.place.stage == kStages);
  CHECK(state.place.stage_began == kStages * kStageSteps);
  CHECK(state.values.at("answers") == result["answers"]);
  CHECK(read_metrics(metrics_path(parts.out)).size() == kStages * kStageSteps);
}

TEST_CASE("a run whose folder is moved writes into no other that takes its name") {
  const TestFolder folder;
  const RunOptions options = options_of(folder, "here");
  Run run(options, record_of(ToyConfig{}));
  run.step_done();
  run.log({{"loss", 1}});
  run.save();
  for (const bool taken : {false, true}) {
    if (!taken) std::filesystem::rename(options.out, folder / "there");
    if (taken) std::filesystem::create_directory(options.out);
    run.step_done();
    for (const std::string& error : {error_of([&] { run.save(); }), error_of([&] { run.finish({}); })})
      CHECK_THAT(error, ContainsSubstring(options.out + ": the folder was moved or removed") &&
                            EndsWith("it is now " + (folder / "there")));
    CHECK(std::filesystem::exists(options.out) == taken);
  }
  CHECK(std::filesystem::is_empty(options.out));
  CHECK(list_checkpoints(folder / "there").size() == 1);
}

TEST_CASE("a row of the table can be without pictures, and have scores of its own") {
  const System toy = {.name = "toy",
                      .purpose = "a policy that asks",
                      .data = "",
                      .train = train_toy,
                      .open = {},
                      .open_weights = {},
                      .evaluate = evaluate_toy,
                      .extract = {}};
  CHECK(!toy.reads_data());
  const TestFolder folder;
  const RunOptions options = options_of(folder, "out");
  const Json result = Json::parse(toy.train(options));
  Context context(Device::cpu, 0, 1);
  const CheckpointSource source{last_of(options.out), {"learning_rate=0.5"}};
  const Scores scores = toy.evaluate(context, source, "");
  CHECK(scores.json["answers"] == result["answers"].size());
  CHECK(scores.json["sum"] != 0);
  CHECK(scores.json["rate"] == 0.5);
}

TEST_CASE("in a checkpoint learners, their optimizers and tensors stand by their names") {
  const TestFolder folder;
  const RunOptions options = options_of(folder, "out");
  train_toy(options);
  std::vector<std::string> names;
  for (const TensorInfo& tensor : read_safetensors_header(last_of(options.out)).tensors)
    names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"critic.fc.bias", "critic.fc.weight", "fc.bias", "fc.weight",
                                          "memory", "optimizer.critic.first", "optimizer.critic.steps",
                                          "optimizer.first", "optimizer.second", "optimizer.steps",
                                          "target.fc.bias", "target.fc.weight"});
}

TEST_CASE("a checkpoint records what decides the bits of the steps after it") {
  Context context(Device::cpu, 0, 1);
  Learner learner;
  const layers::Linear layer(learner.parameters, "fc", 2, 2);
  learner.start(context, 7);
  Json answers = {1, 2};
  RunState state;
  state.config = "{}";
  state.seed = 5;
  state.place = {12, 1, 4, 2, 3};
  state.threads = 3;
  state.device = "cuda";
  state.precision = "bf16";
  state.best_score = -0.5;
  state.best_step = 9;
  state.training_set = "16 pictures";
  state.tuned = {{"NVIDIA H200, cuDNN 9.19.0: conv2d forward", "engine 38 2=1 14=0"}};
  const TestFolder folder;
  write_checkpoint(context, folder.path(), state, {{{"", &learner}}, {}, {{"answers", &answers}}});
  const std::string path = checkpoint_path(folder.path(), 12);
  const RunState read = read_run_state(path);
  CHECK(read.config == state.config);
  CHECK(read.seed == state.seed);
  CHECK(read.place.step == 12);
  CHECK(read.place.stage == 1);
  CHECK(read.place.stage_began == 4);
  CHECK(read.place.epoch == 2);
  CHECK(read.place.batch == 3);
  CHECK(read.threads == state.threads);
  CHECK(read.device == state.device);
  CHECK(read.precision == state.precision);
  CHECK(read.best_score == state.best_score);
  CHECK(read.best_step == state.best_step);
  CHECK(read.training_set == state.training_set);
  CHECK(read.tuned == state.tuned);
  CHECK(read.values == Json{{"answers", answers}});
}

TEST_CASE("what was changed in a checkpoint is refused by name: a learner, its optimizer, a tensor") {
  const TestFolder folder;
  RunOptions options = options_of(folder, "out");
  train_toy(options);
  options.resume = true;
  const std::string path = last_of(options.out);
  const WeightFile original = read_safetensors(path);
  const auto error_with = [&](const std::string& tensor) {
    WeightFile changed = original;
    for (HostTensor& one : changed.tensors)
      if (one.name == tensor) one.bytes[1] ^= std::byte{1};
    write_safetensors(path, changed);
    return input_error_of([&] { train_toy(options); });
  };
  CHECK_THAT(error_with("fc.weight"), ContainsSubstring("is damaged: its weights"));
  CHECK_THAT(error_with("target.fc.bias"), ContainsSubstring("is damaged: the weights of target"));
  CHECK_THAT(error_with("optimizer.critic.first"), ContainsSubstring("is damaged: the optimizer's tensors"));
  CHECK_THAT(error_with("memory"), ContainsSubstring("is damaged: the values of memory"));
}

TEST_CASE("a run keeps nothing twice, and nothing under a name of its own") {
  const TestFolder folder;
  const RunOptions options = options_of(folder, "out");
  Run run(options, record_of(ToyConfig()));
  Json value;
  run.keep("answers", value);
  CHECK_THAT(error_of([&] { run.keep("answers", value); }),
             ContainsSubstring("two things called \"answers\""));
  CHECK_THAT(error_of([&] { run.keep("step", value); }), ContainsSubstring("no value called \"step\""));
}

TEST_CASE(
    "a checkpoint in the middle of a step is refused: a resumed run would lack the gradients that wait") {
  const TestFolder folder;
  Run run(options_of(folder, "waiting"), record_of(ToyConfig()));
  Learner learner;
  Parameter& w = learner.parameters.add("w", {2}, Initializer());
  learner.start(run.context(), 1, OptimizerConfig());
  run.keep("", learner);
  w.grad_written = true;
  CHECK_THROWS_WITH(run.save(), Catch::Contains("middle of a step"));
  learner.drop_gradients();
  CHECK_NOTHROW(run.save());
}

TEST_CASE("a group of parameters learns at its own pace, and the first group that fits a name takes it") {
  Context context(Device::cpu, 0, 1);
  Learner learner;
  const layers::Linear trunk(learner.parameters, "trunk", 2, 2), head(learner.parameters, "head.fc", 2, 2);
  OptimizerSection section;
  section.groups = {{"head.fc.bias", 10, 0}, {"head", 2, 1}};
  const OptimizerConfig config = section.config(learner.parameters);
  REQUIRE(config.groups.size() == 3);
  CHECK(config.groups[1].rate_scale == 10);
  CHECK(config.groups[1].decay_scale == 0);
  CHECK(config.groups[2].rate_scale == 2);
  CHECK(learner.parameters.find("trunk.weight")->group() == 0);
  CHECK(learner.parameters.find("head.fc.weight")->group() == 2);
  CHECK(learner.parameters.find("head.fc.bias")->group() == 1);
  section.groups = {OptimizerSection::Group{"tail"}};
  CHECK_THAT(input_error_of([&] { section.config(learner.parameters); }),
             ContainsSubstring("begins with tail"));
}
