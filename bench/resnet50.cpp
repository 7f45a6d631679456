// ResNet-50 on this machine: images per second and peak memory of a training step (forward, cross-entropy, backward,
// Adam) or of inference, on random images, on any device. Takes the options and prints the JSON line of
// bench/compare/resnet50.py; peak_bytes is the device's memory on cuda, the process's elsewhere.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "autograd/functions/cast.h"
#include "autograd/functions/linear.h"
#include "autograd/functions/loss.h"
#include "autograd/functions/pooling.h"
#include "autograd/segment.h"
#include "kernels/common/clock.h"
#include "kernels/common/device.h"
#include "layers/resnet.h"
#include "tools/common/device_option.h"

using namespace saccade;

namespace {

struct Options {
  std::string mode = "train", precision = "f32", device = "cpu";
  int64_t height = 256, width = 128, batch = 16, channels = 64;
  double seconds = 8;
  int threads = 2;
  bool tune = false;
};

void measure(const Options& options) {
  constexpr int64_t classes = 751, last_stride = 1;
  const bool inference = options.mode == "inference";
  const int64_t batch = options.batch, height = options.height, width = options.width;
  const double began = now();
  const DeviceChoice choice = choose_device(options.device);
  Context context(choice.device, choice.index, options.threads);
  std::string reason;
  const Precision precision = precision_named(options.precision);
  check_input(has_precision(context, precision, &reason), "--precision ", options.precision, ": ", reason);
  context.precision = precision;
  context.tunes = options.tune;
  Learner network;
  const layers::ResNet backbone(network.parameters, {"resnet50", options.channels, last_stride});
  const layers::Linear classifier(network.parameters, "fc", backbone.channels(), classes);
  network.start(context, 1, OptimizerConfig());
  network.set_learning_rate(1e-4);

  PhiloxStream random(2);
  std::vector<float> pixels(static_cast<size_t>(batch * height * width * 3));
  random.fill_normal(pixels.data(), static_cast<int64_t>(pixels.size()), 0, 1);
  std::vector<int64_t> ids(static_cast<size_t>(batch));
  for (int64_t& id : ids) id = random.below(static_cast<uint32_t>(classes));
  const DType dtype = precision == Precision::bf16 ? DType::bf16 : DType::f32;
  const Tensor images = converted(context, Tensor::from(context, {batch, height, width, 3}, pixels), dtype);
  const Tensor labels = Tensor::from(context, {batch}, ids);

  Tensor loss;  // a replayed segment makes no tensors, so that of the recorded step is kept
  Segment segment(context);
  const auto train_step = [&] {
    segment.run([&] {
      Tape tape(context, {&network});
      const Variable map = backbone(tape, tape.constant(images), BatchNormOptions::train);
      const Variable logits = in_f32(tape, classifier(tape, global_average_pool(tape, map)));
      const Variable total = cross_entropy(tape, logits, labels, 0);
      loss = total.value;
      tape.backward(total);
      network.step(loss);
    });
    return loss.item<float>(context);
  };
  const auto infer = [&] {
    Tape tape(context);
    const Variable map = backbone(tape, tape.constant(images), BatchNormOptions::eval);
    return in_f32(tape, classifier(tape, global_average_pool(tape, map))).value.to_host<float>(context)[0];
  };

  const auto step = [&] { return inference ? infer() : train_step(); };
  step();
  const double first = now() - began;
  step();
  std::vector<double> seconds;
  for (const double end = now() + options.seconds; seconds.size() < 3 || now() < end;) {
    const double before = now();
    step();
    seconds.push_back(now() - before);
  }
  std::sort(seconds.begin(), seconds.end());
  const auto rate_at = [&](double share) {
    const auto i = static_cast<size_t>(share * static_cast<double>(seconds.size()));
    return static_cast<double>(batch) / seconds[std::min(i, seconds.size() - 1)];
  };
  const nlohmann::ordered_json line = {
      {"config", concat(options.mode, "_", height, "x", width, "_", options.precision)},
      {"side", "Saccade"},
      {"device", options.device},
      {"layout", "nhwc"},
      {"batch", batch},
      {"threads", context.threads()},
      {"images_per_second", rate_at(0.5)},
      {"p10", rate_at(0.9)},
      {"p90", rate_at(0.1)},
      {"steps", seconds.size()},
      {"peak_bytes", peak_bytes(context)},
      {"seconds_to_first_step", first}};
  std::cout << line.dump() << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times ResNet-50.");
  Options options;
  app.add_option("--mode", options.mode)->check(CLI::IsMember({"train", "inference"}))->capture_default_str();
  app.add_option("--height", options.height)->capture_default_str();
  app.add_option("--width", options.width)->capture_default_str();
  app.add_option("--batch", options.batch)->capture_default_str();
  app.add_option("--channels", options.channels, "of the stem; all of the network scales with it")
      ->capture_default_str();
  app.add_option("--device", options.device, "cpu, simt, cuda or cuda:N")->capture_default_str();
  app.add_option("--precision", options.precision)
      ->check(CLI::IsMember({"f32", "tf32", "bf16"}))
      ->capture_default_str();
  app.add_option("--threads", options.threads)->capture_default_str();
  app.add_flag("--tune", options.tune, "time cuDNN's plans in the first step");
  app.add_option("--seconds", options.seconds, "of measuring, after two steps of warm-up")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    measure(options);
  } catch (const std::exception& error) {
    std::cerr << "bench_resnet50: " << error.what() << '\n';
    return dynamic_cast<const InputError*>(&error) ? 2 : 1;
  }
}
