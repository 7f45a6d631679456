// Each initializer has the moments that its paper or PyTorch states.
#include "layers/init.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/common/hash.h"
#include "tests/common/catch.h"

using namespace saccade;

namespace {

struct Moments {
  double mean, deviation, fourth, largest;  // fourth: standardized, 3 for a normal and 1.8 for a uniform
};

Moments moments_of(const Initializer& initialize, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  PhiloxStream random(5, 11);
  initialize(values.data(), count, random);
  double sum = 0, second = 0, fourth = 0, largest = 0;
  for (float v : values) {
    sum += v;
    largest = std::max(largest, std::fabs(static_cast<double>(v)));
  }
  const double n = static_cast<double>(count), mean = sum / n;
  for (float v : values) {
    const double d = v - mean;
    second += d * d / n;
    fourth += d * d * d * d / n;
  }
  return {mean, std::sqrt(second), fourth / (second * second), largest};
}

// Bounds of five standard errors for n values: mean 5 s / sqrt(n), deviation about 4 s / sqrt(n).
void check_moments(const Initializer& initialize, double mean, double deviation, bool is_normal) {
  const int64_t count = 200000;
  const Moments m = moments_of(initialize, count);
  const double error = deviation / std::sqrt(static_cast<double>(count));
  CHECK(std::fabs(m.mean - mean) < 5 * error);
  CHECK(std::fabs(m.deviation - deviation) < 4 * error);
  CHECK(std::fabs(m.fourth - (is_normal ? 3.0 : 1.8)) < (is_normal ? 0.06 : 0.02));
  if (!is_normal) {
    CHECK(m.largest <= deviation * std::sqrt(3.0) * (1 + 1e-6));
    CHECK(m.largest > deviation * std::sqrt(3.0) * 0.999);
  }
}

const Shape kConvolution{64, 3, 5, 16};  // KRSC
const Shape kLinear{751, 512};           // [O,I]

}  // namespace

TEST_CASE("fans count what feeds an output and what an input feeds") {
  CHECK(init::fan_in(kConvolution) == 3 * 5 * 16);
  CHECK(init::fan_out(kConvolution) == 64 * 3 * 5);
  CHECK(init::fan_in(kLinear) == 512);
  CHECK(init::fan_out(kLinear) == 751);
}

TEST_CASE("initializers have the stated moments") {
  check_moments(init::normal(0.01f, 0.5f), 0.5, 0.01, true);
  check_moments(init::uniform(-0.25f, 0.25f), 0, 0.25 / std::sqrt(3.0), false);
  check_moments(init::kaiming_normal_fan_in(kConvolution), 0, std::sqrt(2.0 / 240), true);
  check_moments(init::kaiming_normal_fan_out(kConvolution), 0, std::sqrt(2.0 / 960), true);
  check_moments(init::xavier_normal(kLinear), 0, std::sqrt(2.0 / (512 + 751)), true);
  check_moments(init::xavier_uniform(kLinear), 0, std::sqrt(2.0 / (512 + 751)), false);
  check_moments(init::torch_linear(512), 0, 1 / std::sqrt(3.0 * 512), false);
  float values[3];
  PhiloxStream random(1);
  init::constant(0.75f)(values, 3, random);
  CHECK((values[0] == 0.75f && values[1] == 0.75f && values[2] == 0.75f));
}

TEST_CASE("a parameter starts with the same values whatever else the network holds") {
  Context context;
  std::vector<std::vector<float>> starts;
  for (int more : {0, 1}) {
    ParameterArena arena;
    if (more) arena.add("before", {13}, init::normal(1));
    Parameter& p = arena.add("layer.weight", kLinear, init::xavier_uniform(kLinear));
    arena.allocate(context, 42);
    starts.push_back(p.value.to_host<float>(context));
  }
  CHECK(starts[0] == starts[1]);
}

TEST_CASE("first values are those of a serial draw, on any number of threads") {
  const std::vector<int64_t> sizes = {1, 70001, 3, 0, 255, 400009, 257, 64, 100000, 7};
  const auto initializer = [](size_t i) {
    return i % 3 ? init::normal(0.5f, 1) : init::uniform(-0.3f, 0.7f);
  };
  for (const int threads : {1, 2, 3, 7}) {
    Context context(Device::cpu, 0, threads);
    ParameterArena arena;
    for (size_t i = 0; i < sizes.size(); ++i) {
      const std::string name = std::to_string(i);
      i % 4 == 2 ? arena.add_buffer(name, {sizes[i]}, initializer(i))
                 : arena.add(name, {sizes[i]}, initializer(i));
    }
    arena.allocate(context, 42);
    for (size_t i = 0; i < sizes.size(); ++i) {
      std::vector<float> serial(static_cast<size_t>(sizes[i]));
      PhiloxStream random(42, hash_of(std::to_string(i)));
      initializer(i)(serial.data(), sizes[i], random);
      INFO("parameter " << i << " on " << threads << " threads");
      CHECK((arena.find(std::to_string(i))->value.to_host<float>(context) == serial));
    }
  }
}
