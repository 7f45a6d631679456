// A residual network in parts: each by itself, with a mode of its own, from other inputs, and only some of them.
#include "autograd/functions/elementwise.h"
#include "layers/resnet.h"
#include "tests/common/catch.h"

using namespace saccade;
using layers::ResNet;
using Mode = BatchNormOptions::Mode;

namespace {

Tensor pictures(Context& context, int64_t channels) {
  std::vector<float> values(static_cast<size_t>(4 * 16 * 8 * channels));
  PhiloxStream random(3);
  random.fill_normal(values.data(), static_cast<int64_t>(values.size()), 0, 1);
  return Tensor::from(context, {4, 16, 8, channels}, values);
}

ResNet::Modes all(Mode mode) {
  ResNet::Modes modes;
  modes.fill(mode);
  return modes;
}

}  // namespace

TEST_CASE("a network can stop after any part and go on from there, with the bits of the whole") {
  Context context(Device::cpu, 0, 1);
  for (const char* name : {"resnet18_compact", "resnet50"}) {
    Learner learner;
    const ResNet network(learner.parameters, {name, 8, 1});
    learner.start(context, 1);
    Tape tape(context);
    const Variable x = tape.constant(pictures(context, 3));
    const auto whole = network(tape, x, Mode::eval).value.to_host<float>(context);
    for (int last = 0; last < 4; ++last) {
      const Variable half = network.parts(tape, x, 0, last, all(Mode::eval));
      CHECK(half.shape()[-1] == network.channels(last));
      CHECK(network.parts(tape, half, last + 1, 4, all(Mode::eval)).value.to_host<float>(context) == whole);
    }
    // Block by block, and each block as the sum of its two sides.
    Variable y = network.stem(tape, x, Mode::eval);
    for (int stage = 1; stage <= 4; ++stage)
      for (const layers::ResidualBlock& block : network.stage(stage)) {
        const Variable sum =
            add(tape, block.branch(tape, y, Mode::eval), block.shortcut(tape, y, Mode::eval));
        y = block(tape, y, Mode::eval);
        const auto parts = sum.value.to_host<float>(context), at_once = y.value.to_host<float>(context);
        for (size_t i = 0; i < parts.size(); ++i)
          CHECK(std::max(parts[i], 0.0f) == Approx(at_once[i]).margin(1e-5));
      }
    CHECK(y.value.to_host<float>(context) == whole);
  }
}

TEST_CASE("each part has a mode of its own: what runs on its statistics keeps them") {
  Context context(Device::cpu, 0, 1);
  Learner learner;
  const ResNet network(learner.parameters, {"resnet10_compact", 8, 1});
  learner.start(context, 1);
  const auto statistics = [&](const std::string& name) {
    return learner.parameters.find(name)->value.to_host<float>(context);
  };
  const auto stem = statistics("bn1.running_mean"), third = statistics("layer3.0.bn1.running_mean"),
             last = statistics("layer4.0.bn1.running_var");
  ResNet::Modes modes = all(Mode::eval);
  modes[4] = Mode::train;
  Tape tape(context);
  network(tape, tape.constant(pictures(context, 3)), modes);
  CHECK(statistics("bn1.running_mean") == stem);
  CHECK(statistics("layer3.0.bn1.running_mean") == third);
  CHECK(statistics("layer4.0.bn1.running_var") != last);
}

TEST_CASE("a stem takes other inputs than colors, and a network may be built in part") {
  Context context(Device::cpu, 0, 1);
  Learner learner;
  ParameterArena& arena = learner.parameters;
  const ResNet flow(arena, {.name = "resnet50", .width = 8, .in_channels = 2, .last = 1}, "flow.");
  const ResNet trunk(arena, {.name = "resnet50", .width = 8, .first = 2});
  learner.start(context, 1);
  CHECK(arena.find("flow.conv1.weight")->shape == Shape{8, 7, 7, 2});
  CHECK(arena.find("flow.layer1.0.conv1.weight") != nullptr);
  CHECK(arena.find("flow.layer2.0.conv1.weight") == nullptr);
  CHECK(arena.find("conv1.weight") == nullptr);
  CHECK(arena.find("layer2.0.conv1.weight")->shape == Shape{16, 1, 1, 32});
  Tape tape(context);
  const Variable map = flow(tape, tape.constant(pictures(context, 2)), Mode::eval);
  CHECK(map.shape() == Shape{4, 4, 2, 32});
  CHECK(trunk(tape, map, Mode::eval).shape() == Shape{4, 1, 1, 256});
  CHECK_THROWS_AS(trunk.stem(tape, map, Mode::eval), Error);
  CHECK_THROWS_AS(flow.stage(2), Error);
}
