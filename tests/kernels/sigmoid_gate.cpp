#include "kernels/attention/sigmoid_gate.h"

#include "kernels/attention/sigmoid_gate.ref.h"
#include "kernels/common/vector_math.h"
#include "tests/kernels/backends.h"

using namespace saccade;

namespace {

constexpr double kTolerance = 4;

template <class S>
struct Reference {
  std::vector<S> output, grad_feature, grad_logits, grad_bias;

  template <class T>
  Reference(int64_t rows, int64_t channels, const std::vector<T>& feature, const std::vector<T>& logits,
            const std::vector<T>& bias, const std::vector<T>& grad)
      : output(feature.size()),
        grad_feature(feature.size()),
        grad_logits(feature.size()),
        grad_bias(bias.size()) {
    using Gate = SigmoidGate<Device::reference>;
    Context host;
    const auto f = as<S>(feature), l = as<S>(logits), b = as<S>(bias), g = as<S>(grad);
    Gate::forward(host, rows, channels, f.data(), l.data(), b.data(), output.data());
    Gate::backward(host, rows, channels, g.data(), f.data(), l.data(), b.data(), grad_feature.data(),
                   grad_logits.data(), grad_bias.data());
  }
};

template <Device D, class T>
double compare(Context& context, int64_t rows, int64_t channels, const std::vector<T>& feature,
               const std::vector<T>& logits, size_t offset = 0) {
  const auto bias = normals<T>(3, channels), grad = normals<T>(4, rows * channels);
  const size_t count = feature.size();
  DeviceArray<T> f(context, feature, offset), l(context, logits, offset), b(context, bias, offset);
  DeviceArray<T> g(context, grad, offset), y(context, count, offset), grad_f(context, count, offset);
  DeviceArray<T> grad_l(context, count, offset), grad_b(context, bias.size(), offset);
  SigmoidGate<D>::forward(context, rows, channels, f.data(), l.data(), b.data(), y.data());
  SigmoidGate<D>::backward(context, rows, channels, g.data(), f.data(), l.data(), b.data(), grad_f.data(),
                           grad_l.data(), grad_b.data());
  const Reference<double> value(rows, channels, feature, logits, bias, grad);
  const Reference<Bound> bound(rows, channels, feature, logits, bias, grad);
  double worst = check_close("output", y.host(), value.output, bound.output, kTolerance);
  worst = std::max(
      worst, check_close("grad_feature", grad_f.host(), value.grad_feature, bound.grad_feature, kTolerance));
  worst = std::max(
      worst, check_close("grad_logits", grad_l.host(), value.grad_logits, bound.grad_logits, kTolerance));
  worst =
      std::max(worst, check_close("grad_bias", grad_b.host(), value.grad_bias, bound.grad_bias, kTolerance));
  return worst;
}

}  // namespace

TEST_CASE("sigmoid_gate agrees with the reference") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    double worst = 0;
    for (const auto& [rows, channels] : std::vector<std::pair<int64_t, int64_t>>{
             {1, 1}, {7, 5}, {33, 16}, {130, 64}, {5, 520}, {0, 8}, {4, 0}, {1000, 8}, {3, 257}})
      for (const size_t offset : {0, 1}) {
        INFO(backend << " " << rows << "x" << channels << " offset " << offset);
        const auto f = normals<T>(1, rows * channels), l = normals<T>(2, rows * channels, 3);
        worst = std::max(worst, compare<D, T>(context, rows, channels, f, l, offset));
      }
    WARN("sigmoid_gate " << backend << ": largest error " << worst << " eps S");
  });
}

TEST_CASE("sigmoid_gate stays finite where the sigmoid saturates") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    INFO(backend);
    std::vector<T> logits;
    for (const float z : {-3e38f, -1000.0f, -120.0f, -88.5f, -60.0f, -20.0f, 0.0f, 1e-30f, 20.0f, 60.0f,
                          89.0f, 120.0f, 1000.0f, 3e38f, -86.0f, 86.0f})
      logits.push_back(T(z));
    compare<D, T>(context, 2, 8, normals<T>(1, 16), logits);
  });
}

TEST_CASE("sigmoid_gate may overwrite its input") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    INFO(backend);
    const auto feature = normals<T>(1, 6 * 40), logits = normals<T>(2, 6 * 40), bias = normals<T>(3, 40);
    DeviceArray<T> f(context, feature), in_place(context, feature), l(context, logits), b(context, bias);
    DeviceArray<T> y(context, feature.size());
    SigmoidGate<D>::forward(context, 6, 40, f.data(), l.data(), b.data(), y.data());
    SigmoidGate<D>::forward(context, 6, 40, in_place.data(), l.data(), b.data(), in_place.data());
    CHECK(as<double>(in_place.host()) == as<double>(y.host()));
  });
}

TEST_CASE("sigmoid_gate gives the same bits with any number of threads") {
  const auto feature = normals<float>(1, 500 * 96), logits = normals<float>(2, 500 * 96),
             bias = normals<float>(3, 96);
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    Context context(Device::cpu, 0, threads);
    std::vector<float> grad_f(feature.size()), grad_l(feature.size()), grad_b(bias.size());
    SigmoidGate<Device::cpu>::backward(context, 500, 96, logits.data(), feature.data(), logits.data(),
                                       bias.data(), grad_f.data(), grad_l.data(), grad_b.data());
    results.push_back(grad_b);
  }
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
}

TEST_CASE("exp_vector is within two units in the last place") {
  double worst = 0;
  for (float x = -87.0f; x <= 88.0f; x += 0.00173f) {
    const double expected = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::fabs(static_cast<double>(exp_vector(x)) - expected) / expected);
  }
  CHECK(worst < 2 * 0x1p-23);
  CHECK(exp_vector(0.0f) == 1.0f);
  CHECK(exp_vector(-200.0f) == 0.0f);
  CHECK(std::isinf(exp_vector(200.0f)));
  CHECK(std::isnan(exp_vector(std::numeric_limits<float>::quiet_NaN())));
}
