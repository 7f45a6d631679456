// Batch normalization where a block's part is long: so many rows that each block walks down its part in
// several turns. (Shapes of layers: the registry.)
#include "kernels/norm/batch_norm.h"

#include "tests/kernels/backends.h"

using namespace saccade;

TEST_CASE("batch normalization's passes walk down parts of many rows") {
  // One channel: 4096 blocks, whose 256 threads have 4 rows in flight.
  constexpr int64_t rows = 4096 * 1024 + 1000;
  std::vector<float> x(rows), grad(rows);
  double sum = 0, square = 0, gradient = 0, product = 0, magnitude = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(i * 7 % 13) - 6;
    grad[i] = static_cast<float>(i * 5 % 11) - 5;
    sum += x[i], square += x[i] * x[i], gradient += grad[i], product += grad[i] * (x[i] - 1);
    magnitude += std::fabs(grad[i] * (x[i] - 1));
  }
  const double expected = sum / rows, variance = square / rows - expected * expected;
  for_each_backend([&]<Device D, class T>(Context& context, const char* backend) {
    if constexpr (D == Device::cpu || sizeof(T) == 2) return;
    INFO(backend);
    DeviceArray<float> dx(context, x), dgrad(context, grad), y(context, x.size()), grad_x(context, x.size());
    const auto one = [](float value) { return std::vector<float>(1, value); };
    DeviceArray<float> mean(context, one(1)), invstd(context, one(0.5f)), gamma(context, one(2)),
        beta(context, one(0.25f));
    BatchNorm<D>::template apply<float>(context, rows, 1, dx.data(), mean.data(), invstd.data(), gamma.data(),
                                        beta.data(), nullptr, false, y.data());
    BatchNorm<D>::template propagate<float>(context, rows, 1, dgrad.data(), dx.data(), mean.data(),
                                            invstd.data(), gamma.data(), beta.data(), false, nullptr, nullptr,
                                            grad_x.data());
    const auto got_y = y.host(), got_grad = grad_x.host();
    int64_t wrong = 0;
    for (size_t i = 0; i < x.size(); ++i) wrong += got_y[i] != x[i] - 0.75f || got_grad[i] != grad[i];
    CHECK(wrong == 0);

    DeviceArray<float> own_mean(context, 1), own_invstd(context, 1), grad_gamma(context, 1),
        grad_beta(context, 1);
    BatchNorm<D>::template statistics<float>(context, rows, 1, dx.data(), 1e-5, 0.1, own_mean.data(),
                                             own_invstd.data(), nullptr, nullptr);
    BatchNorm<D>::template reduce<float>(context, rows, 1, dgrad.data(), dx.data(), nullptr, mean.data(),
                                         invstd.data(), gamma.data(), beta.data(), false, grad_gamma.data(),
                                         grad_beta.data(), nullptr);
    CHECK(std::fabs(own_mean.host()[0] - expected) < 1e-5);
    CHECK(std::fabs(own_invstd.host()[0] * std::sqrt(variance + 1e-5) - 1) < 1e-5);
    CHECK(std::fabs(grad_beta.host()[0] - gradient) <= 1e-6 * magnitude);
    CHECK(std::fabs(grad_gamma.host()[0] - 0.5 * product) <= 1e-6 * magnitude);
  });
}
