#include "autograd/optimizer.h"

#include <limits>

#include "autograd/schedule.h"
#include "kernels/common/device.h"
#include "tests/common/catch.h"
#include "tests/common/golden.h"

using namespace saccade;

namespace {

constexpr double kRate = 0x1p-6, kDecay = 0x1p-5;

// The network of tests/goldens/make_optimizers.py, and a frozen parameter between its two.
struct Network {
  ParameterArena arena;
  Parameter *w, *frozen, *b;

  Network(Context& context, DType dtype) {
    w = add("w", 37);
    frozen = add("frozen", 3);
    b = add("b", 5);
    arena.freeze("frozen");
    arena.set_group("b", 1);
    arena.allocate(context, 1, dtype);
  }
  Parameter* add(const std::string& name, int64_t count) {
    return &arena.add(name, {count}, [name](float* values, int64_t n, PhiloxStream&) {
      const auto from = golden::scaled("optimizer/" + name, n, 1.0);
      std::copy(from.begin(), from.end(), values);
    });
  }
};

std::vector<double> doubles(Context& context, const Tensor& tensor) {
  return converted(context, tensor, DType::f64).to_host<double>(context);
}

void set(Context& context, const Tensor& to, const std::vector<double>& values) {
  copy(context, to, converted(context, Tensor::from(context, to.shape(), values), to.dtype()));
}

// grad = values / 2 + g_t
void fill_gradients(Context& context, Network& network, int step) {
  for (Parameter& p : network.arena.all()) {
    std::vector<double> grad = doubles(context, p.value);
    const auto part = golden::scaled(concat("optimizer/", p.name, "/", step), p.shape.count(), 1.0);
    for (size_t i = 0; i < grad.size(); ++i) grad[i] = grad[i] / 2 + part[i];
    set(context, p.grad, grad);
  }
}

void run_step(Context& context, Network& network, Optimizer& optimizer, int step) {
  fill_gradients(context, network, step);
  optimizer.set_learning_rate(context, step < 5 ? kRate : kRate / 2);
  optimizer.step(context);
}

OptimizerConfig config_of(OptimizerConfig::Kind kind, double momentum = 0) {
  OptimizerConfig config;
  config.kind = kind;
  config.momentum = momentum;
  config.groups = {{1, 1}, {2, 0}};
  return config;
}

std::map<std::string, OptimizerConfig> configs() {
  std::map<std::string, OptimizerConfig> all;
  all["sgd"] = config_of(OptimizerConfig::sgd);
  all["momentum"] = config_of(OptimizerConfig::sgd, 0.9);
  all["momentum"].weight_decay = kDecay;
  all["nesterov"] = all["momentum"];
  all["nesterov"].nesterov = true;
  all["nesterov"].clip = 1.5;
  all["adam"] = config_of(OptimizerConfig::adam);
  all["adam_decay"] = all["adam"];
  all["adam_decay"].weight_decay = kDecay;
  all["adam_decay"].clip = 1.5;
  all["amsgrad"] = config_of(OptimizerConfig::amsgrad);
  all["amsgrad"].weight_decay = kDecay;
  all["amsgrad"].beta1 = 0.5;
  all["amsgrad"].beta2 = 0.75;
  all["adamw"] = config_of(OptimizerConfig::adamw);
  all["adamw"].weight_decay = kDecay;
  return all;
}

std::vector<double> part_of(Context& context, const Tensor& flat, const Parameter& p) {
  return doubles(context, flat.view(p.offset, p.shape));
}

std::vector<double> everything(Context& context, const Network& network, const Optimizer& optimizer) {
  std::vector<double> all = doubles(context, network.arena.values);
  for (const auto& [name, tensor] : optimizer.state())
    for (double v : doubles(context, tensor)) all.push_back(v);
  return all;
}

// Ten steps against the goldens; the largest error.
double compare_ten_steps(const golden::File& file, const std::string& name, const OptimizerConfig& config,
                         DType dtype, double tolerance) {
  Context context(Device::cpu, 0, 2);
  Network network(context, dtype);
  const auto frozen = doubles(context, network.frozen->value);
  Optimizer optimizer(context, network.arena, config);
  double worst = 0;
  const auto hold = [&](const std::string& key, const std::vector<double>& values) {
    const golden::Verdict verdict = file.compare(key, values, tolerance);
    INFO(verdict.failure);
    CHECK(verdict.passed);
    worst = std::max(worst, verdict.worst);
  };
  for (int step = 0; step < 10; ++step) {
    run_step(context, network, optimizer, step);
    if (step != 0 && step != 9) continue;
    for (const Parameter* p : {network.w, network.b}) {
      const std::string key = concat(name, "/", step, "/", p->name);
      hold(key, doubles(context, p->value));
      for (const auto& [kind, tensor] : optimizer.state())
        if (kind != "steps" && file.find(key + "/" + kind))
          hold(key + "/" + kind, part_of(context, tensor, *p));
    }
  }
  CHECK(doubles(context, network.frozen->value) == frozen);
  return worst;
}

}  // namespace

TEST_CASE("ten steps of every optimizer agree with PyTorch") {
  const golden::File file(std::string(SACCADE_SOURCE_DIR) + "/tests/goldens/optimizers.safetensors");
  double worst32 = 0, worst64 = 0;
  for (const auto& [name, config] : configs()) {
    // The clipping factor is an f32 on the device, even beside f64 values.
    worst64 =
        std::max(worst64, compare_ten_steps(file, name, config, DType::f64, config.clip > 0 ? 1e-7 : 1e-12));
    worst32 = std::max(worst32, compare_ten_steps(file, name, config, DType::f32, 2e-6));
  }
  WARN("largest error against PyTorch: f64 " << worst64 << ", f32 " << worst32);
}

TEST_CASE("the comparison with PyTorch sees a wrong optimizer") {
  const golden::File file(std::string(SACCADE_SOURCE_DIR) + "/tests/goldens/optimizers.safetensors");
  Context context;
  Network network(context, DType::f32);
  OptimizerConfig wrong = configs().at("adam");
  wrong.beta2 = 0.9989;
  Optimizer optimizer(context, network.arena, wrong);
  for (int step = 0; step < 10; ++step) run_step(context, network, optimizer, step);
  CHECK(!file.compare("adam/9/w", doubles(context, network.w->value), 2e-6).passed);
}

TEST_CASE("a loss that is not finite leaves weights, state and step count as they are") {
  for (const auto& [name, config] : configs()) {
    for (float loss :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1.0f}) {
      Context context;
      Network network(context, DType::f32);
      Optimizer optimizer(context, network.arena, config);
      run_step(context, network, optimizer, 0);
      const auto before = everything(context, network, optimizer);
      fill_gradients(context, network, 1);
      const Tensor guard = Tensor::from<float>(context, {1}, {loss});
      optimizer.step(context, guard.data<float>());
      INFO(name << ", loss " << loss);
      CHECK((everything(context, network, optimizer) == before) == !std::isfinite(loss));
    }
  }
}

TEST_CASE("an optimizer whose state was copied goes on with the same bits") {
  for (const auto& [name, config] : configs()) {
    Context context;
    Network whole(context, DType::f32), resumed(context, DType::f32);
    Optimizer first(context, whole.arena, config), second(context, resumed.arena, config);
    for (int step = 0; step < 4; ++step) run_step(context, whole, first, step);
    copy(context, resumed.arena.values, whole.arena.values);
    const auto from = first.state(), to = second.state();
    REQUIRE(from.size() == to.size());
    for (size_t i = 0; i < from.size(); ++i) copy(context, to[i].second, from[i].second);
    for (int step = 4; step < 8; ++step) {
      run_step(context, whole, first, step);
      run_step(context, resumed, second, step);
    }
    INFO(name);
    CHECK(everything(context, whole, first) == everything(context, resumed, second));
  }
}

TEST_CASE("a parameter that was freed learns from then on") {
  Context context;
  Network network(context, DType::f32);
  Optimizer optimizer(context, network.arena, configs().at("adam"));
  run_step(context, network, optimizer, 0);
  const auto before = doubles(context, network.frozen->value);
  network.arena.freeze("frozen", false);
  optimizer.update_spans(context, network.arena);
  run_step(context, network, optimizer, 1);
  CHECK(doubles(context, network.frozen->value) != before);
  network.arena.set_group("frozen", 2);
  CHECK_THROWS_AS(optimizer.update_spans(context, network.arena), Error);
}

TEST_CASE("an optimizer step has the same bits with one thread and with two") {
  for (const auto& [name, config] : configs()) {
    std::vector<std::vector<double>> results;
    for (int threads : {1, 2}) {
      Context context(Device::cpu, 0, threads);
      ParameterArena arena;
      Parameter& p = arena.add("p", {300007}, [](float* values, int64_t n, PhiloxStream& random) {
        for (int64_t i = 0; i < n; ++i) values[i] = random.normal();
      });
      arena.allocate(context, 3);
      OptimizerConfig one_group = config;
      one_group.groups = {{}};
      Optimizer optimizer(context, arena, one_group);
      optimizer.set_learning_rate(context, 0.01);
      for (int step = 0; step < 3; ++step) {
        copy(context, p.grad, p.value);
        optimizer.step(context);
      }
      results.push_back(doubles(context, p.value));
    }
    INFO(name);
    CHECK(results[0] == results[1]);
  }
}

TEST_CASE("gradients are clipped to a global norm, and left alone below it") {
  Context context;
  for (double limit : {1.0, 100.0}) {
    ParameterArena arena;
    const auto zero = [](float* values, int64_t n, PhiloxStream&) { std::fill_n(values, n, 0.0f); };
    Parameter& a = arena.add("a", {2}, zero);
    Parameter& b = arena.add("b", {1}, zero);
    arena.allocate(context, 1);
    OptimizerConfig config = config_of(OptimizerConfig::sgd);
    config.clip = limit;
    Optimizer optimizer(context, arena, config);
    optimizer.set_learning_rate(context, 1);
    set(context, a.grad, {2, 4});
    set(context, b.grad, {4});  // norm 6
    optimizer.step(context);
    const double factor = limit < 6 ? limit / 6 : 1;
    CHECK(doubles(context, a.value)[0] == Approx(-2 * factor));
    CHECK(doubles(context, a.value)[1] == Approx(-4 * factor));
    CHECK(doubles(context, b.value)[0] == Approx(-4 * factor));
  }
}

TEST_CASE("learning-rate schedules have the values worked out by hand") {
  CHECK(step_factor(0, {40, 70}, 0.1) == 1.0);
  CHECK(step_factor(39, {40, 70}, 0.1) == 1.0);
  CHECK(step_factor(40, {40, 70}, 0.1) == Approx(0.1));
  CHECK(step_factor(69, {40, 70}, 0.1) == Approx(0.1));
  CHECK(step_factor(70, {40, 70}, 0.1) == Approx(0.01));
  CHECK(step_factor(5, {}, 0.1) == 1.0);
  CHECK(cosine_factor(0, 120) == 1.0);
  CHECK(cosine_factor(30, 120) == Approx(0.5 + 0.25 * std::sqrt(2.0)));
  CHECK(cosine_factor(60, 120) == Approx(0.5));
  CHECK(cosine_factor(120, 120) == Approx(0).margin(1e-15));
  CHECK(cosine_factor(130, 120) == Approx(0).margin(1e-15));
  CHECK(warmup_factor(0, 10, 0.01) == Approx(0.01));
  CHECK(warmup_factor(5, 10, 0.01) == Approx(0.505));
  CHECK(warmup_factor(10, 10, 0.01) == 1.0);
  CHECK(warmup_factor(0, 0, 0.01) == 1.0);
}
