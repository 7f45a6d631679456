// A network on this machine: images per second and peak memory of a training step (forward, loss, backward, Adam) or of
// inference, on random images, on any device. Prints the JSON line of bench/compare/step.py; peak_bytes is the device's
// memory on cuda, the process's elsewhere.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "autograd/functions/cast.h"
#include "autograd/functions/linear.h"
#include "autograd/functions/loss.h"
#include "autograd/functions/pooling.h"
#include "autograd/segment.h"
#include "kernels/common/clock.h"
#include "kernels/common/device.h"
#include "kernels/common/onednn.h"
#include "layers/resnet.h"
#include "reid/baseline/network.h"
#include "tools/common/device_option.h"

using namespace saccade;

namespace {

struct Options {
  std::string network = "resnet50", mode = "train", precision = "f32", device = "cpu";
  int64_t height = 256, width = 128, batch = 16, channels = 64;
  double seconds = 8;
  int threads = 2;
  bool tune = false;
};

// torchvision's network, with the last stride of re-identification and Market-1501's training identities.
struct ResNet50 {
  static constexpr int64_t kClasses = 751, kLastStride = 1;
  layers::ResNet backbone;
  layers::Linear classifier;

  ResNet50(ParameterArena& arena, const Options& options)
      : backbone(arena, {"resnet50", options.channels, kLastStride}),
        classifier(arena, "fc", backbone.channels(), kClasses) {}

  static OptimizerConfig optimizer() { return {}; }
  static std::vector<int64_t> ids(int64_t batch) {
    PhiloxStream random(3);
    std::vector<int64_t> ids(static_cast<size_t>(batch));
    for (int64_t& id : ids) id = random.below(static_cast<uint32_t>(kClasses));
    return ids;
  }

  Variable logits(Tape& tape, const Tensor& images, BatchNormOptions::Mode mode) const {
    const Variable map = backbone(tape, tape.constant(images), mode);
    return in_f32(tape, classifier(tape, global_average_pool(tape, map)));
  }
  Variable infer(Tape& tape, const Tensor& images) const {
    return logits(tape, images, BatchNormOptions::eval);
  }
  Variable loss(Tape& tape, const Tensor& images, const Tensor& labels) const {
    return cross_entropy(tape, logits(tape, images, BatchNormOptions::train), labels, 0);
  }
};

// What tools/quickstart.sh trains, with the losses and the weight decay of tools/configs/quickstart.json.
struct Quickstart {
  static constexpr int64_t kClasses = 80, kWidth = 32, kLastStride = 2, kImagesPerIdentity = 4;
  baseline::Network network;

  Quickstart(ParameterArena& arena, const Options&)
      : network(arena, {{"resnet10_compact", kWidth, kLastStride}, "average", true, kClasses}) {}

  static OptimizerConfig optimizer() {
    OptimizerConfig config;
    config.weight_decay = 5e-4;
    return config;
  }
  static std::vector<int64_t> ids(int64_t batch) {
    std::vector<int64_t> ids;
    for (int64_t i = 0; i < batch; ++i) ids.push_back(i / kImagesPerIdentity % kClasses);
    return ids;
  }

  Variable infer(Tape& tape, const Tensor& images) const {
    return network(tape, tape.constant(images), BatchNormOptions::eval).feature;
  }
  Variable loss(Tape& tape, const Tensor& images, const Tensor& labels) const {
    const auto out = network(tape, tape.constant(images), BatchNormOptions::train);
    const Variable id = cross_entropy(tape, out.logits, labels, 0.1);
    const Variable triplet = batch_hard_triplet(tape, out.embedding, labels, 0.3).loss;
    return weighted_sum(tape, {id, triplet}, {1, 1});
  }
};

// How threads wait for work.
std::string waiting() {
#if defined(SACCADE_ONEDNN_OPENMP)
  const char* policy = std::getenv("OMP_WAIT_POLICY");
  return concat("its own threads look for 50 us and sleep; oneDNN's OpenMP, OMP_WAIT_POLICY ",
                policy ? policy : "unset");
#else
  return "its own threads look for 50 us, then sleep";
#endif
}

nlohmann::ordered_json libraries() {
#ifdef SACCADE_ONEDNN
  const dnnl_version_t& version = *dnnl::version();
  return {{"oneDNN", concat(version.major, ".", version.minor, ".", version.patch)}};
#else
  return nlohmann::ordered_json::object();
#endif
}

template <class Network>
void measure(const Options& options) {
  const bool inference = options.mode == "inference";
  const int64_t batch = options.batch, height = options.height, width = options.width;
  const DeviceChoice choice = choose_device(options.device);
  Context context(choice.device, choice.index, options.threads);
  std::string reason;
  const Precision precision = precision_named(options.precision);
  check_input(has_precision(context, precision, &reason), "--precision ", options.precision, ": ", reason);
  context.precision = precision;
  context.tunes = options.tune;
  Learner learner;
  const Network network(learner.parameters, options);
  learner.start(context, 1, Network::optimizer());
  learner.set_learning_rate(1e-4);

  const auto random_images = [&] {
    std::vector<float> pixels(static_cast<size_t>(batch * height * width * 3));
    PhiloxStream(2).fill_normal(pixels.data(), static_cast<int64_t>(pixels.size()), 0, 1);
    const DType dtype = precision == Precision::bf16 ? DType::bf16 : DType::f32;
    return converted(context, Tensor::from(context, {batch, height, width, 3}, pixels), dtype);
  };
  const Tensor images = random_images();
  const Tensor labels = Tensor::from(context, {batch}, Network::ids(batch));

  Tensor loss;  // a replayed segment makes no tensors, so that of the recorded step is kept
  Segment segment(context);
  const auto train_step = [&] {
    segment.run([&] {
      Tape tape(context, {&learner});
      const Variable total = network.loss(tape, images, labels);
      loss = total.value;
      tape.backward(total);
      learner.step(loss);
    });
    return loss.item<float>(context);
  };
  const auto infer = [&] {
    Tape tape(context);
    return network.infer(tape, images).value.template to_host<float>(context)[0];
  };

  const auto step = [&] { return inference ? infer() : train_step(); };
  step();
  const double first = now();
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
  const nlohmann::ordered_json line = {{"device", options.device},     {"batch", batch},
                                       {"threads", context.threads()}, {"waiting", waiting()},
                                       {"libraries", libraries()},     {"images_per_second", rate_at(0.5)},
                                       {"p10", rate_at(0.9)},          {"p90", rate_at(0.1)},
                                       {"steps", seconds.size()},      {"peak_bytes", peak_bytes(context)},
                                       {"first_step_at", first}};
  std::cout << line.dump() << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times a step of a network.");
  Options options;
  app.add_option("--network", options.network)
      ->check(CLI::IsMember({"resnet50", "quickstart"}))
      ->capture_default_str();
  app.add_option("--mode", options.mode)->check(CLI::IsMember({"train", "inference"}))->capture_default_str();
  app.add_option("--height", options.height)->capture_default_str();
  app.add_option("--width", options.width)->capture_default_str();
  app.add_option("--batch", options.batch)->capture_default_str();
  app.add_option("--channels", options.channels, "of ResNet-50's stem; all of the network scales with it")
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
    options.network == "quickstart" ? measure<Quickstart>(options) : measure<ResNet50>(options);
  } catch (const std::exception& error) {
    std::cerr << "bench_step: " << error.what() << '\n';
    return dynamic_cast<const InputError*>(&error) ? 2 : 1;
  }
}
