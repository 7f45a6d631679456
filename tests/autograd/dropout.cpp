#include "autograd/functions/elementwise.h"
#include "tests/common/catch.h"

using namespace saccade;

namespace {
std::vector<float> dropped(int threads, int64_t seed, int64_t step, std::vector<float>* gradient = nullptr) {
  Context context(Device::cpu, 0, threads);
  Tape tape(context);
  tape.random = Tensor::from<int64_t>(context, {2}, {seed, step});
  const int64_t count = 50001;
  const Tensor ones = Tensor::from(context, {count}, std::vector<float>(static_cast<size_t>(count), 1.0f));
  const Variable x = tape.input(ones);
  const Variable y = dropout(tape, x, 0.25);
  tape.backward({y}, {ones});
  if (gradient) *gradient = tape.grad(x).to_host<float>(context);
  return y.value.to_host<float>(context);
}
}  // namespace

TEST_CASE("a dropout mask depends on seed and step, never on threads") {
  const auto one = dropped(1, 7, 0);
  CHECK(one == dropped(2, 7, 0));
  CHECK(one == dropped(5, 7, 0));
  CHECK(one != dropped(1, 8, 0));
  CHECK(one != dropped(1, 7, 1));
  double kept = 0;
  for (float v : one) kept += v != 0;
  CHECK(std::abs(kept / static_cast<double>(one.size()) - 0.75) < 0.01);  // five standard deviations
}

TEST_CASE("dropout's backward draws the mask of its forward") {
  std::vector<float> gradient;
  CHECK(dropped(2, 7, 0, &gradient) == gradient);
}

TEST_CASE("two dropouts of one step draw different masks, and a changed state is an error") {
  Context context(Device::cpu, 0, 1);
  Tape tape(context);
  tape.random = Tensor::from<int64_t>(context, {2}, {7, 0});
  const Tensor ones = Tensor::from(context, {100}, std::vector<float>(100, 1.0f));
  const Variable x = tape.input(ones), a = dropout(tape, x, 0.5), b = dropout(tape, x, 0.5);
  CHECK(a.value.to_host<float>(context) != b.value.to_host<float>(context));
  Tape next(context);  // of the same step
  next.random = tape.random;
  next.stream = tape.stream;
  CHECK(dropout(next, next.input(ones), 0.5).value.to_host<float>(context) !=
        a.value.to_host<float>(context));
  tape.random.mark_written();
  CHECK_THROWS_AS(tape.backward({a}, {ones}), Error);
}
