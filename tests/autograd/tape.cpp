#include "autograd/tape.h"

#include <cmath>

#include "autograd/functions/activation.h"
#include "autograd/functions/linear.h"
#include "tests/common/catch.h"

using namespace saccade;

namespace {
Tensor values(Context& context, std::initializer_list<float> list) {
  return Tensor::from<float>(context, {1, static_cast<int64_t>(list.size())}, std::vector<float>(list));
}
}  // namespace

TEST_CASE("gradients of a value used twice add up") {
  Context context(Device::cpu, 0, 1);
  Tape tape(context);
  const Variable x = tape.input(values(context, {1, -2, 3}));
  const Variable a = relu(tape, x), b = relu(tape, x);
  const Tensor one = values(context, {1, 10, 100});
  tape.backward({a, b}, {one, one});  // the same cotangent tensor twice: it must not be added to in place
  CHECK(tape.grad(x).to_host<float>(context) == std::vector<float>{2, 0, 200});
  CHECK(one.to_host<float>(context) == std::vector<float>{1, 10, 100});
}

TEST_CASE("a saved value that is overwritten is an error and not a wrong gradient") {
  Context context(Device::cpu, 0, 1);
  Tape tape(context);
  const Variable x = tape.input(values(context, {1, 2}));
  const Variable w = tape.input(values(context, {3, 4}));
  const Variable y = linear(tape, x, w, nullptr);
  const float other[2] = {7, 7};
  w.value.write(context, other);
  CHECK_THROWS_WITH(tape.backward(y), Catch::Contains("overwritten"));
}

TEST_CASE("nothing is recorded where no gradient is needed") {
  Context context(Device::cpu, 0, 1);
  Tape tape(context), forward_only(context, false);
  CHECK_FALSE(relu(tape, tape.constant(values(context, {1}))).needs_gradient());
  CHECK_FALSE(relu(forward_only, forward_only.input(values(context, {1}))).needs_gradient());
}

TEST_CASE(
    "parameters: first write of a step overwrites, later ones add, frozen ones and unused ones stay zero") {
  Context context(Device::cpu, 0, 1);
  ParameterArena arena;
  const auto ones = [](float* v, int64_t n, PhiloxStream&) { std::fill_n(v, n, 1.0f); };
  Parameter &used = arena.add("used", {1, 2}, ones), &unused = arena.add("unused", {1, 2}, ones);
  Parameter& frozen = arena.add("frozen", {1, 2}, ones);
  frozen.frozen = true;
  arena.allocate(context, 1);
  std::fill_n(arena.grads.data<float>(), arena.grads.count(), 99.0f);
  for (int step = 0; step < 2; ++step) {
    arena.begin_step();
    Tape tape(context);
    const Variable x = tape.constant(values(context, {2, 3}));
    const Variable y1 = linear(tape, x, tape.parameter(used), nullptr),
                   y2 = linear(tape, x, tape.parameter(used), nullptr);
    const Variable y3 = linear(tape, x, tape.parameter(frozen), nullptr);
    CHECK_FALSE(y3.needs_gradient());
    const Tensor one = Tensor::from<float>(context, {1, 1}, {1.0f});
    tape.backward({y1, y2}, {one, one});
    arena.finish_gradients(context);
    CHECK(used.grad.to_host<float>(context) == std::vector<float>{4, 6});
    CHECK(unused.grad.to_host<float>(context) == std::vector<float>{0, 0});
  }
  CHECK(arena.trainable_count() == 6);
  CHECK(reinterpret_cast<uintptr_t>(unused.value.raw()) % kAlignment == 0);
  CHECK_THROWS_AS(arena.add("late", {1}, ones), Error);
}

TEST_CASE("a parameter's first values depend on seed and name, not on its neighbors") {
  Context context(Device::cpu, 0, 1);
  const auto random = [](float* v, int64_t n, PhiloxStream& r) {
    for (int64_t i = 0; i < n; ++i) v[i] = r.normal();
  };
  ParameterArena small, large;
  small.add("a", {4}, random);
  large.add("b", {4}, random);
  large.add("a", {4}, random);
  small.allocate(context, 5);
  large.allocate(context, 5);
  CHECK(small.find("a")->value.to_host<float>(context) == large.find("a")->value.to_host<float>(context));
  CHECK(large.find("b")->value.to_host<float>(context) != large.find("a")->value.to_host<float>(context));
}

TEST_CASE("the first op that makes a NaN is named") {
  Context context(Device::cpu, 0, 1);
  Tape tape(context);
  tape.find_nan = true;
  const Variable x = tape.input(values(context, {INFINITY, 1}));
  const Variable positive = relu(tape, x);  // passes infinity on: no NaN yet
  CHECK_THROWS_WITH(linear(tape, positive, tape.constant(values(context, {0, 1})), nullptr),
                    Catch::Contains("linear"));
}
