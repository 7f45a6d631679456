// A whole training step, from bytes of pictures to moved weights, on the devices that run the CUDA sources.
#include <cmath>
#include <memory>

#include "autograd/functions/image.h"
#include "autograd/functions/loss.h"
#include "autograd/optimizer.h"
#include "autograd/segment.h"
#include "kernels/common/device.h"
#include "reid/baseline/network.h"
#include "tests/common/catch.h"
#ifdef SACCADE_SIMT
#include "kernels/simt/recording.h"
#endif

using namespace saccade;

namespace {

constexpr int64_t kHeight = 16, kWidth = 8, kPeople = 4, kBatch = 8, kPictures = 16;

// Pictures of four people, each of a color and a stripe of its own, with noise.
std::vector<uint8_t> pictures() {
  PhiloxStream random(3);
  std::vector<uint8_t> bytes;
  for (int64_t n = 0; n < kPictures; ++n)
    for (int64_t y = 0; y < kHeight; ++y)
      for (int64_t i = 0; i < kWidth * 3; ++i) {
        const int64_t person = n % kPeople, level = 60 + 40 * ((person + i) % 3) + (y / 4 == person ? 70 : 0);
        bytes.push_back(static_cast<uint8_t>(level + static_cast<int64_t>(random.below(30))));
      }
  return bytes;
}

// A small network, its optimizer and what a step reads, all on one device.
class Training {
 public:
  // `pace` scales the learning rate.
  explicit Training(Device device, Precision precision = Precision::f32, double pace = 1)
      : context(device, 0, 2), pace_(pace) {
    context.precision = precision;
    baseline::NetworkConfig config;
    config.backbone = {"resnet10_compact", 4, 1};
    config.identities = kPeople;
    model_ = std::make_unique<baseline::Network>(learner_.parameters, config);
    OptimizerConfig settings;
    settings.kind = OptimizerConfig::amsgrad;
    settings.weight_decay = 5e-4;
    settings.clip = 5;
    learner_.start(context, 7, settings);
    cache_ = Tensor::from(context, {kPictures, kHeight, kWidth, 3}, pictures());
    table_ = Tensor(context, {kBatch * static_cast<int64_t>(sizeof(Augmentation))}, DType::u8);
    labels_ = Tensor(context, {kBatch}, DType::i64);
    loss_ = Tensor(context, {1}, DType::f32);
  }

  // The work of a segment: nothing in it comes from the host.
  void work() {
    Tape tape(context, {&learner_});
    const Tensor images = augment(tape, cache_, table_, Normalization(),
                                  context.precision == Precision::bf16 ? DType::bf16 : DType::f32);
    const auto out = (*model_)(tape, tape.constant(images), baseline::Network::Mode::train);
    const Variable total = weighted_sum(tape,
                                        {cross_entropy(tape, out.logits, labels_, 0.1),
                                         batch_hard_triplet(tape, out.embedding, labels_, 0.3).loss},
                                        {1, 1});
    copy(context, loss_, total.value);
    tape.backward(total);
    learner_.step(loss_);
  }

  // One step; `around` runs the work.
  template <class Around>
  float step(Around&& around) {
    std::vector<Augmentation> table;
    std::vector<int64_t> labels;
    for (int64_t i = 0; i < kBatch; ++i) {
      Augmentation a;
      a.image = (i + 5 * steps_) % kPictures;
      a.flip = static_cast<int32_t>((i + steps_) % 2);
      a.shift_x = static_cast<int32_t>(i % 3) - 1;
      labels.push_back(a.image % kPeople);
      table.push_back(a);
    }
    table_.write(context, table.data());
    labels_.write(context, labels.data());
    learner_.set_learning_rate(pace_ * 1e-3 * static_cast<double>(1 + steps_));
    ++steps_;
    segment_.run([&] { around([&] { work(); }); });
    return loss_.item<float>(context);
  }
  std::vector<float> steps(int count) {
    std::vector<float> losses;
    for (int i = 0; i < count; ++i) losses.push_back(step([](auto&& body) { body(); }));
    return losses;
  }

  std::vector<float> weights() { return learner_.parameters.values.to_host<float>(context); }
  ParameterArena& arena() { return learner_.parameters; }

  Context context;

 private:
  Learner learner_;
  std::unique_ptr<baseline::Network> model_;
  Segment segment_{context};
  Tensor cache_, table_, labels_, loss_;
  int64_t steps_ = 0;
  double pace_;
};

std::vector<Device> devices_here() {
  std::vector<Device> all;
  for (const Device device : {Device::simt, Device::cuda}) {
    std::string reason;
    if (is_available(device, &reason))
      all.push_back(device);
    else
      WARN(name_of(device) << ": " << reason);
  }
  return all;
}

constexpr int kSteps = 6;
constexpr double kClose = 1e-5;  // of a loss

// The largest relative difference of two runs' losses.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::fabs(static_cast<double>(a[i]) / b[i] - 1);
    worst = difference <= worst ? worst : difference;  // NaN counts
  }
  return worst;
}

}  // namespace

TEST_CASE("a small ResNet trains whole on the GPU's kernels and follows the CPU's losses") {
  const std::vector<float> expected = Training(Device::cpu).steps(kSteps);
  CHECK(expected.back() < expected.front());
  for (const Device device : devices_here()) {
    const std::vector<float> losses = Training(device).steps(kSteps);
    const double worst = distance(losses, expected);
    // Both sides round in f32 and sum in other orders: a loss and the weights behind it differ by a few units of 6e-8,
    // which six steps are too few to amplify. A learning rate that is one percent off lies far beyond.
    CHECK(worst <= kClose);
    CHECK(distance(Training(device, Precision::f32, 1.01).steps(kSteps), expected) > 10 * kClose);
    WARN(name_of(device) << ": losses from " << losses.front() << " to " << losses.back() << ", at most "
                         << worst << " from the CPU's");
  }
}

TEST_CASE("in bf16 with f32 masters the loss falls, and the copy is the rounded master") {
  const std::vector<float> exact = Training(Device::cpu).steps(1);
  std::vector<Device> devices = devices_here();
  devices.push_back(Device::cpu);  // on any processor: where it has no bf16, products are in f32 and rounded
  for (const Device device : devices) {
    Training training(device, Precision::bf16);
    const std::vector<float> losses = training.steps(kSteps);
    INFO(name_of(device) << ": from " << losses.front() << " to " << losses.back());
    CHECK(losses.back() < 0.95 * losses.front());
    CHECK(std::fabs(losses[0] - exact[0]) <= 0.05 * exact[0]);  // eight bits through ten layers
    const std::vector<float> masters = training.weights();
    const std::vector<bf16> copies = training.arena().bf16_values.to_host<bf16>(training.context);
    int64_t differing = 0, beyond_bf16 = 0;
    for (size_t i = 0; i < masters.size(); ++i) {
      differing += copies[i].bits != bf16(masters[i]).bits;
      beyond_bf16 += static_cast<float>(copies[i]) != masters[i];
    }
    CHECK(differing == 0);
    CHECK(beyond_bf16 > static_cast<int64_t>(masters.size() / 4));
    WARN(name_of(device) << " bf16: losses from " << losses.front() << " to " << losses.back());
  }
}

TEST_CASE("a replayed step has the bits of a step that runs call by call") {
  for (const Device device : devices_here())
    for (const Precision precision : {Precision::f32, Precision::bf16}) {
      Training replayed(device, precision), called(device, precision);
      called.context.replays_segments = false;
      INFO(name_of(device) << " " << name_of(precision));
      CHECK(replayed.steps(4) == called.steps(4));
      CHECK(replayed.weights() == called.weights());
    }
}

#ifdef SACCADE_SIMT
TEST_CASE(
    "the second and the third step are the same launches and copies on the same addresses, and allocate "
    "nothing") {
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    Training training(Device::simt, precision), eager(Device::simt, precision);
    training.context.replays_segments = eager.context.replays_segments = false;
    std::vector<float> losses = training.steps(1);
    std::vector<std::shared_ptr<simt::Recording>> recordings;
    for (int step = 0; step < 2; ++step)
      // While the step is recorded, a copy from or to the host, a wait or an allocation throws.
      losses.push_back(training.step([&](auto&& body) {
        begin_recording(training.context);
        try {
          body();
        } catch (...) {
          abandon_recording(training.context);
          throw;
        }
        recordings.push_back(std::static_pointer_cast<simt::Recording>(end_recording(training.context)));
        replay(training.context, recordings.back());
      }));
    const auto &second = recordings[0]->commands, &third = recordings[1]->commands;
    REQUIRE(second.size() == third.size());
    size_t launches = 0;
    for (size_t i = 0; i < second.size(); ++i) {
      INFO("command " << i);
      CHECK(second[i].same_as(third[i]));
      launches += second[i].kind == simt::Command::launch;
    }
    CHECK(launches > 50);
    CHECK(losses == eager.steps(3));  // nothing happened behind the recording's back
    WARN(name_of(precision) << ": " << launches << " launches, " << second.size() - launches
                            << " copies and fills a step");
  }
}
#endif
