// What a device does with a label that is no class: it cannot throw. (Everything else: the registry.)
#include "kernels/loss/cross_entropy.h"

#include "tests/kernels/backends.h"

using namespace saccade;

TEST_CASE("a label that is no class makes the loss NaN on a device, and touches its own row alone") {
  for_each_backend([&]<Device D, class T>(Context& context, const char* backend) {
    if constexpr (D == Device::cpu) return;
    constexpr int64_t rows = 3, classes = 5;
    const auto logits = normals<T>(1, rows * classes);
    for (const int64_t label : {classes, int64_t{-2}, classes + 1, int64_t{1} << 40}) {
      INFO(backend << ", label " << label);
      DeviceArray<T> x(context, logits), grad(context, logits.size());
      DeviceArray<int64_t> labels(context, std::vector<int64_t>{2, 0, label});
      DeviceArray<Accumulator<T>> loss(context, 1);
      CrossEntropy<D>::forward(context, rows, classes, x.data(), labels.data(), 0.0, loss.data(),
                               grad.data());
      CHECK(std::isnan(loss.host()[0]));
      const auto got = grad.host();
      for (int64_t i = 0; i < rows * classes; ++i) {
        const float value = static_cast<float>(got[static_cast<size_t>(i)]);
        CHECK((i < 2 * classes ? value != 0 && std::isfinite(value) : value == 0));
      }
    }
  });
}
