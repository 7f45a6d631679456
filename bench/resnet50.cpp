// ResNet-50 on this machine: images per second and peak memory of a training step (forward, cross-entropy, backward,
// Adam) or of inference, on random images. Takes the options and prints the JSON line of bench/compare/resnet50.py.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "autograd/functions/linear.h"
#include "autograd/functions/loss.h"
#include "autograd/functions/pooling.h"
#include "autograd/optimizer.h"
#include "autograd/segment.h"
#include "layers/resnet.h"

using namespace saccade;

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times ResNet-50.");
  std::string mode = "train", precision = "f32";
  int64_t height = 256, width = 128, batch = 16;
  double seconds_to_measure = 8;
  int threads = 2;
  app.add_option("--mode", mode)->check(CLI::IsMember({"train", "inference"}))->capture_default_str();
  app.add_option("--height", height)->capture_default_str();
  app.add_option("--width", width)->capture_default_str();
  app.add_option("--batch", batch)->capture_default_str();
  app.add_option("--precision", precision)->check(CLI::IsMember({"f32"}))->capture_default_str();
  app.add_option("--threads", threads)->capture_default_str();
  app.add_option("--seconds", seconds_to_measure, "of measuring, after two steps of warm-up")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  constexpr int64_t classes = 751, last_stride = 1;
  const bool inference = mode == "inference";
  const double began = now();
  Context context(Device::cpu, 0, threads);
  ParameterArena arena;
  const layers::ResNet backbone(arena, {"resnet50", 64, last_stride});
  const layers::Linear classifier(arena, "fc", backbone.channels(), classes);
  arena.allocate(context, 1);
  Optimizer optimizer(context, arena, OptimizerConfig());
  optimizer.set_learning_rate(context, 1e-4);

  PhiloxStream random(2);
  std::vector<float> pixels(static_cast<size_t>(batch * height * width * 3));
  random.fill_normal(pixels.data(), static_cast<int64_t>(pixels.size()), 0, 1);
  std::vector<int64_t> ids(static_cast<size_t>(batch));
  for (int64_t& id : ids) id = random.below(static_cast<uint32_t>(classes));
  const Tensor images = Tensor::from(context, {batch, height, width, 3}, pixels), labels = Tensor::from(context, {batch}, ids);

  const auto train_step = [&] {
    Tensor loss;
    run_segment(context, "step", [&] {
      Tape tape(context);
      arena.begin_step();
      const Variable map = backbone(tape, tape.constant(images), BatchNormOptions::train);
      const Variable total = cross_entropy(tape, classifier(tape, global_average_pool(tape, map)), labels, 0);
      loss = total.value;
      tape.backward(total);
      arena.finish_gradients(context);
      optimizer.step(context, loss.data<float>());
    });
    return loss.item<float>(context);
  };
  const auto infer = [&] {
    Tape tape(context, false);
    const Variable map = backbone(tape, tape.constant(images), BatchNormOptions::eval);
    return classifier(tape, global_average_pool(tape, map)).value.to_host<float>(context)[0];
  };

  const auto step = [&] { return inference ? infer() : train_step(); };
  step();
  const double first = now() - began;
  step();
  std::vector<double> seconds;
  for (const double end = now() + seconds_to_measure; seconds.size() < 3 || now() < end;) {
    const double before = now();
    step();
    seconds.push_back(now() - before);
  }
  std::sort(seconds.begin(), seconds.end());
  const auto rate_at = [&](double share) {
    const auto i = static_cast<size_t>(share * static_cast<double>(seconds.size()));
    return static_cast<double>(batch) / seconds[std::min(i, seconds.size() - 1)];
  };
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const nlohmann::ordered_json line = {
      {"config", concat(mode, "_", height, "x", width, "_", precision)}, {"side", "Saccade"}, {"layout", "nhwc"},
      {"batch", batch}, {"threads", context.threads()}, {"images_per_second", rate_at(0.5)}, {"p10", rate_at(0.9)},
      {"p90", rate_at(0.1)}, {"steps", seconds.size()}, {"peak_bytes", static_cast<int64_t>(usage.ru_maxrss) * 1024},
      {"seconds_to_first_step", first}};
  std::cout << line.dump() << '\n';
}
