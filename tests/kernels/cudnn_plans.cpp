// Every convolution of the networks, as cuDNN would run it on devices that need not be there: its graph is built and a
// plan finalized for a described A100, H200, B200 and RTX 5090. Only a GPU can show that the plan runs.
#include <fstream>
#include <iterator>
#include <set>
#include <tuple>

#include "kernels/common/device.h"
#include "kernels/convolution/cudnn.h"
#include "tests/common/catch.h"

namespace saccade {
namespace {

using cudnn::Pass;

// A convolution of a network; the first one's images take no gradient.
struct Layer {
  Conv2dShape shape;
  bool first = false;
};

// The convolutions of a residual network, in order (layers/resnet.h), each distinct one once.
class Walk {
 public:
  Walk(int64_t batch, int64_t height, int64_t width) : n_(batch), h_(height), w_(width), c_(3) {}

  void convolution(int64_t out, int64_t size, int64_t stride) {
    const Conv2dShape s{n_, h_, w_, c_, out, size, size, stride, stride, size / 2, size / 2};
    const auto key = std::make_tuple(h_, w_, c_, out, size, stride);
    if (seen_.insert(key).second) layers.push_back({s, layers.empty()});
    h_ = s.p();
    w_ = s.q();
    c_ = out;
  }
  void max_pool() {
    h_ = (h_ - 1) / 2 + 1;
    w_ = (w_ - 1) / 2 + 1;
  }
  void block(int64_t width, int64_t stride, bool bottleneck) {
    const int64_t out = bottleneck ? 4 * width : width;
    if (stride != 1 || c_ != out) {
      const Walk before = *this;
      convolution(out, 1, stride);  // the shortcut
      h_ = before.h_;
      w_ = before.w_;
      c_ = before.c_;
    }
    if (bottleneck) {
      convolution(width, 1, 1);
      convolution(width, 3, stride);
      convolution(out, 1, 1);
    } else {
      convolution(width, 3, stride);
      convolution(out, 3, 1);
    }
  }

  std::vector<Layer> layers;

 private:
  int64_t n_, h_, w_, c_;
  std::set<std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t>> seen_;
};

// 256x128, batch 64, last stride 1: the baseline of re-identification.
std::vector<Layer> resnet50() {
  Walk walk(64, 256, 128);
  walk.convolution(64, 7, 2);
  walk.max_pool();
  const int64_t blocks[] = {3, 4, 6, 3};
  for (int stage = 0; stage < 4; ++stage)
    for (int64_t i = 0; i < blocks[stage]; ++i)
      walk.block(int64_t{64} << stage, i == 0 && (stage == 1 || stage == 2) ? 2 : 1, true);
  return walk.layers;
}

// tools/configs/quickstart.json: resnet10_compact of width 32 on 64x32, batch 64.
std::vector<Layer> quickstart() {
  Walk walk(64, 64, 32);
  walk.convolution(32, 3, 1);
  for (int stage = 0; stage < 4; ++stage) walk.block(int64_t{32} << stage, stage == 0 ? 1 : 2, false);
  return walk.layers;
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string text_of(const Conv2dShape& s) {
  return concat(s.h, "x", s.w, "x", s.c, " -> ", s.k, ", ", s.r, "x", s.s, " stride ", s.stride_h);
}

// What a network's plans came to on one device.
struct Tally {
  int plans = 0, refused = 0, nondeterministic = 0, failed = 0;
  int64_t workspace = 0;
  std::set<int64_t> engines;
};

void finalize(Tally& tally, const cudnn::DescribedDevice& device, const std::vector<Layer>& layers,
              bool bf16) {
  for (const Layer& layer : layers)
    for (const Pass pass : {Pass::forward, Pass::data, Pass::weight}) {
      if (layer.first && pass == Pass::data) continue;
      const cudnn::Choice choice = device.plan({layer.shape, pass, bf16});
      INFO(text_of(layer.shape) << ", " << name_of(pass) << ", " << (bf16 ? "bf16" : "f32") << ": "
                                << choice.reason);
      CHECK(choice.found);
      ++tally.plans;
      tally.refused += choice.refused;
      tally.nondeterministic += choice.nondeterministic;
      tally.failed += choice.failed;
      tally.workspace = std::max(tally.workspace, choice.workspace_bytes);
      tally.engines.insert(choice.engine);
    }
}

}  // namespace

TEST_CASE("cuDNN finalizes a deterministic plan for every convolution of the networks, with no driver",
          "[cudnn]") {
  std::string reason;
  if (!cudnn::is_available(&reason)) {
    WARN("NOT CHECKED, there is no cuDNN: " << reason);
    return;
  }
  int nondeterministic = 0;
  for (const std::string name : {"sm_80_a100", "sm_90_h200", "sm_100_b200", "sm_120_rtx5090"}) {
    const cudnn::DescribedDevice device(
        text_of(std::string(SACCADE_SOURCE_DIR) + "/tests/kernels/cudnn_devices/" + name + ".json"));
    INFO(name);
    for (const bool bf16 : {true, false}) {
      Tally tally;
      finalize(tally, device, resnet50(), bf16);
      finalize(tally, device, quickstart(), bf16);
      nondeterministic += tally.nondeterministic;
      std::string engines;
      for (const int64_t engine : tally.engines) engines += concat(" ", engine);
      WARN(name << ", " << (bf16 ? "bf16" : "f32") << ", cuDNN " << cudnn::version() << ": " << tally.plans
                << " plans finalized, " << tally.refused << " candidates refused (" << tally.nondeterministic
                << " nondeterministic), " << tally.failed << " failed, workspace up to "
                << (tally.workspace >> 20) << " MiB, engines" << engines);
    }
  }
  CHECK(nondeterministic > 0);  // cuDNN proposes such engines, and we take none of them
}

// Tuning relies on this: a plan is more than its place in a ranking, which another release may change.
TEST_CASE("a plan is made again from its recipe", "[cudnn]") {
  std::string reason;
  if (!cudnn::is_available(&reason)) {
    WARN("NOT CHECKED, there is no cuDNN: " << reason);
    return;
  }
  const cudnn::DescribedDevice device(
      text_of(std::string(SACCADE_SOURCE_DIR) + "/tests/kernels/cudnn_devices/sm_90_h200.json"));
  std::set<std::string> recipes;
  for (const bool bf16 : {true, false})
    for (const Pass pass : {Pass::forward, Pass::data, Pass::weight}) {
      const cudnn::Problem problem{{64, 64, 32, 64, 64, 3, 3, 1, 1, 1, 1}, pass, bf16};
      const std::vector<cudnn::Choice> found = device.plans(problem, 8);
      CHECK(found.size() > 1);
      CHECK(found.front().recipe == device.plan(problem).recipe);
      for (const cudnn::Choice& plan : found) {
        INFO(name_of(pass) << ", " << (bf16 ? "bf16" : "f32") << ": " << plan.recipe);
        const cudnn::Choice again = device.plan(problem, plan.recipe);
        CHECK(again.engine == plan.engine);
        CHECK(again.workspace_bytes == plan.workspace_bytes);
        CHECK(again.recipe == plan.recipe);
        recipes.insert(plan.recipe);
      }
    }
  CHECK(recipes.size() > 6);
  const cudnn::Problem problem{{64, 64, 32, 64, 64, 3, 3, 1, 1, 1, 1}, Pass::forward, true};
  for (const std::string wrong : {"", "engine", "engine x", "engine 99999", "engine 0 2",
                                  "engine 0 2=", "engine 0 2:1", "engine 0 x", "plan 0"}) {
    INFO(wrong);
    CHECK_THROWS_AS(device.plan(problem, wrong), Error);
  }
}

TEST_CASE("on this machine's GPU every convolution of the networks has a cuDNN plan", "[cudnn]") {
  std::string reason;
  if (!is_available(Device::cuda, &reason) || !cudnn::is_available(&reason)) {
    WARN(reason);
    return;
  }
  Context context(Device::cuda);
  for (const bool bf16 : {true, false})
    for (const auto& layers : {resnet50(), quickstart()})
      for (const Layer& layer : layers)
        for (const Pass pass : {Pass::forward, Pass::data, Pass::weight}) {
          if (layer.first && pass == Pass::data) continue;
          const cudnn::Choice choice = cudnn::choice(context, {layer.shape, pass, bf16});
          INFO(text_of(layer.shape) << ", " << name_of(pass) << ": " << choice.reason);
          CHECK(choice.found);
        }
}

}  // namespace saccade
