#include "reid/training/checkpoint.h"

#include "reid/model.h"
#include "tests/common/catch.h"
#include "tests/reid/folder.h"

using namespace saccade;

TEST_CASE("a checkpoint records what decides the bits of the steps after it") {
  Context context(Device::cpu, 0, 1);
  Learner learner;
  ModelConfig network;
  network.backbone = {"resnet10_compact", 4, 1};
  network.identities = 3;
  const ReidModel model(learner.parameters, network);
  learner.start(context, 7, OptimizerConfig());

  RunState state;
  state.config.tune = true;
  state.seed = 5;
  state.identities = 3;
  state.step = 12;
  state.epoch = 2;
  state.batch = 4;
  state.threads = 3;
  state.device = "cuda";
  state.precision = "bf16";
  state.training_set = "16 pictures";
  state.tuned = {{"NVIDIA H200, cuDNN 9.19.0: conv2d forward", "engine 38 2=1 14=0"}};
  const TestFolder folder;
  const RunState read = read_run_state(write_checkpoint(context, folder.path(), state, learner.parameters, learner));
  CHECK(to_json(read.config) == to_json(state.config));
  CHECK(read.seed == state.seed);
  CHECK(read.step == state.step);
  CHECK(read.epoch == state.epoch);
  CHECK(read.batch == state.batch);
  CHECK(read.threads == state.threads);
  CHECK(read.device == state.device);
  CHECK(read.precision == state.precision);
  CHECK(read.training_set == state.training_set);
  CHECK(read.tuned == state.tuned);
}
