// A label that is no class is named where it enters, and does no harm.
#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/functions/loss.h"
#include "autograd/registry/registry.h"
#include "autograd/segment.h"
#include "kernels/common/device.h"
#include "tests/common/catch.h"

using namespace saccade;

namespace {

double loss_of(Context& context, DType dtype, const std::vector<int64_t>& labels) {
  Tape tape(context);
  const int64_t rows = static_cast<int64_t>(labels.size());
  const Tensor logits = Tensor::zeros(context, {rows, 4}, dtype);
  const Variable loss =
      cross_entropy(tape, tape.input(logits), Tensor::from<int64_t>(context, {rows}, labels), 0);
  tape.backward(loss);
  return converted(context, loss.value, DType::f64).to_host<double>(context)[0];
}

}  // namespace

TEST_CASE("a label that is no class is named, with what is allowed") {
  Context context(Device::cpu, 0, 2);
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const int64_t label : {int64_t{4}, int64_t{-2}, std::numeric_limits<int64_t>::max()}) {
      CHECK_THROWS_AS(loss_of(context, dtype, {3, label, 0}), InputError);
      CHECK_THROWS_WITH(
          loss_of(context, dtype, {3, label, 0}),
          "cross_entropy: labels[1] = " + std::to_string(label) + " is neither in 0..3 nor -1 (left out)");
    }
    CHECK(loss_of(context, dtype, {3, -1, 0}) == Approx(std::log(4.0)));
  }
}

TEST_CASE("on a device, which cannot throw, the loss is NaN") {
  for (const Device device : {Device::simt, Device::cuda}) {
    const auto& devices = find_op("cross_entropy").devices;
    if (!is_available(device) || std::count(devices.begin(), devices.end(), device) == 0) continue;
    Context context(device);
    for (const int64_t label : {int64_t{4}, int64_t{-2}, std::numeric_limits<int64_t>::max()})
      CHECK(std::isnan(loss_of(context, DType::f32, {3, label, 0})));
    CHECK(loss_of(context, DType::f32, {3, -1, 0}) == Approx(std::log(4.0)));
  }
}

TEST_CASE("a label that is no class stops a segment, which runs again afterwards") {
  Context context(Device::cpu, 0, 1);
  const Tensor labels = Tensor::from<int64_t>(context, {2}, {1, 9});
  const Tensor logits = Tensor::zeros(context, {2, 4}, DType::f32);
  Tensor loss;
  Segment segment(context);
  const auto step = [&] {
    segment.run([&] {
      Tape tape(context);
      loss = cross_entropy(tape, tape.input(logits), labels, 0).value;
    });
  };
  CHECK_THROWS_AS(step(), InputError);
  const int64_t good[2] = {1, 3};
  labels.write(context, good);
  step();
  CHECK(loss.item<float>(context) == Approx(std::log(4.0)));
}
