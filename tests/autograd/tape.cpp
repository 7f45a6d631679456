#include "autograd/tape.h"

#include <cmath>

#include "autograd/functions/activation.h"
#include "autograd/functions/linear.h"
#include "autograd/functions/loss.h"
#include "kernels/common/device.h"
#include "tensor/memory.h"
#include "tests/common/catch.h"

using namespace saccade;

namespace {
Tensor values(Context& context, std::initializer_list<float> list) {
  return Tensor::from<float>(context, {1, static_cast<int64_t>(list.size())}, std::vector<float>(list));
}

std::vector<Device> devices_here() {
  std::vector<Device> all = {Device::cpu};
  for (const Device device : {Device::simt, Device::cuda})
    if (is_available(device)) all.push_back(device);
  return all;
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
  Tape tape(context);
  CHECK_FALSE(relu(tape, tape.constant(values(context, {1}))).needs_gradient());
  CHECK_FALSE(relu(tape, detached(tape.input(values(context, {1})))).needs_gradient());
  CHECK(relu(tape, tape.input(values(context, {1}))).needs_gradient());
}

namespace {
const Initializer ones = [](float* v, int64_t n, PhiloxStream&) { std::fill_n(v, n, 1.0f); };

// <x, w> of [1,2] each.
Variable product(Tape& tape, const Tensor& x, Parameter& w) {
  return linear(tape, tape.constant(x), tape.as_stored(w), nullptr);
}
}  // namespace

TEST_CASE("gradients of parameters: the first of a step overwrites, later ones add, the unused are zero") {
  Context context(Device::cpu, 0, 1);
  Learner learner;
  Parameter &used = learner.parameters.add("used", {1, 2}, ones),
            &unused = learner.parameters.add("unused", {1, 2}, ones);
  Parameter& frozen = learner.parameters.add("frozen", {1, 2}, ones);
  learner.parameters.freeze("frozen");
  learner.start(context, 1);
  std::fill_n(learner.parameters.grads.data<float>(), learner.parameters.grads.count(), 99.0f);
  for (int step = 0; step < 2; ++step) {
    learner.drop_gradients();
    Tape tape(context, {&learner});
    const Tensor x = values(context, {2, 3});
    const Variable y1 = product(tape, x, used), y2 = product(tape, x, used);
    CHECK_FALSE(product(tape, x, frozen).needs_gradient());
    const Tensor one = Tensor::from<float>(context, {1, 1}, {1.0f});
    tape.backward({y1, y2}, {one, one});
    learner.parameters.finish_gradients(context);
    CHECK(used.grad.to_host<float>(context) == std::vector<float>{4, 6});
    CHECK(unused.grad.to_host<float>(context) == std::vector<float>{0, 0});
  }
  CHECK(learner.parameters.trainable_count() == 6);
  CHECK(reinterpret_cast<uintptr_t>(unused.value.raw()) % kAlignment == 0);
  CHECK_THROWS_AS(learner.parameters.add("late", {1}, ones), Error);
  CHECK_THROWS_WITH(learner.freeze("unknown"), Catch::Contains("unknown"));
}

TEST_CASE("a tape teaches the learners it names; through the parameters of others gradients only pass") {
  for (const Device device : devices_here()) {
    Context context(device, 0, 1);
    Learner actor, critic;
    Parameter& a = actor.parameters.add("w", {2, 2}, ones);
    Parameter& c = critic.parameters.add("w", {1, 2}, ones);
    actor.start(context, 1);
    critic.start(context, 1);
    const Tensor x = values(context, {2, 3});
    const auto value = [&](Tape& tape) {  // critic(actor(x))
      return linear(tape, linear(tape, tape.constant(x), tape.as_stored(a), nullptr), tape.as_stored(c),
                    nullptr);
    };
    Tape through(context, {&actor});
    through.backward(value(through));
    CHECK(a.grad.to_host<float>(context) == std::vector<float>{2, 3, 2, 3});
    CHECK_FALSE(c.grad_written);
    Tape alone(context, {&critic});
    alone.backward(value(alone));
    CHECK(c.grad.to_host<float>(context) == std::vector<float>{5, 5});
    CHECK(a.grad.to_host<float>(context) == std::vector<float>{2, 3, 2, 3});
    // Gradients of several tapes add up until the step.
    Tape again(context, {&actor, &critic});
    again.backward(value(again));
    CHECK(c.grad.to_host<float>(context) == std::vector<float>{10, 10});
    // A loss that no learner of the tape can lower means that a learner was forgotten.
    Tape nobody(context);
    CHECK_THROWS_WITH(nobody.backward(value(nobody)), Catch::Contains("teaches"));
    Tape half(context, {&actor});
    const Variable reached = value(half),
                   lost = relu(half, half.constant(Tensor::from<float>(context, {1, 1}, {1})));
    const Tensor one = Tensor::from<float>(context, {1, 1}, {1});
    CHECK_THROWS_WITH(half.backward({reached, lost}, {one, one}), Catch::Contains("teaches"));
  }
}

TEST_CASE("a variable on another tape is an error; detached takes its value over") {
  for (const Device device : devices_here()) {
    Context context(device, 0, 1);
    Tape first(context), second(context);
    const Variable w = first.input(values(context, {3, 4}));
    const Variable unrelated = second.input(values(context, {0, 0}));
    CHECK_THROWS_WITH(linear(second, unrelated, w, nullptr), Catch::Contains("another tape"));
    CHECK_THROWS_WITH(second.grad(w), Catch::Contains("another tape"));
    CHECK_THROWS_WITH(second.add_gradient(w, values(context, {1, 1})), Catch::Contains("another tape"));
    CHECK_THROWS_WITH(second.backward({relu(first, w)}, {values(context, {1, 1})}),
                      Catch::Contains("another tape"));
    // A value without a gradient belongs to its tape as well: its learner may have been forgotten.
    const Variable computed = relu(first, first.constant(values(context, {1, 2})));
    CHECK_THROWS_WITH(relu(second, computed), Catch::Contains("another tape"));
    Tape third(context);
    const Variable x = third.input(values(context, {5, 6}));
    third.backward(linear(third, x, detached(w), nullptr));
    CHECK(third.grad(x).to_host<float>(context) == std::vector<float>{3, 4});
  }
}

TEST_CASE("a second backward on a tape is an error, and both outputs in one are right") {
  for (const Device device : devices_here()) {
    Context context(device, 0, 1);
    const Tensor w = values(context, {3, 3}), x = values(context, {7, 13});
    {
      Tape tape(context);
      const Variable v = tape.input(x);
      const Variable y = linear(tape, v, tape.constant(w), nullptr),
                     z = linear(tape, v, tape.constant(x), nullptr);
      tape.backward(y);
      CHECK(tape.grad(v).to_host<float>(context) == std::vector<float>{3, 3});
      CHECK_THROWS_WITH(tape.backward(z), Catch::Contains("second backward"));
    }
    Tape tape(context);
    const Variable v = tape.input(w);
    const Variable y = linear(tape, v, tape.constant(w), nullptr),
                   z = linear(tape, v, tape.constant(x), nullptr);
    const Tensor one = Tensor::from<float>(context, {1, 1}, {1}),
                 three = Tensor::from<float>(context, {1, 1}, {3});
    tape.backward({y, z}, {one, three});
    CHECK(tape.grad(v).to_host<float>(context) == std::vector<float>{3 + 21, 3 + 39});
  }
}

TEST_CASE("grad() is of leaves after backward: nothing returns zeros that were not computed") {
  for (const Device device : devices_here()) {
    Context context(device, 0, 1);
    Tape tape(context);
    const Variable x = tape.input(values(context, {1, 2, 3})),
                   unused = tape.input(values(context, {1, 1, 1}));
    const Variable middle = relu(tape, x);
    const Variable y = relu(tape, middle);
    CHECK_THROWS_WITH(tape.grad(x), Catch::Contains("before backward"));
    tape.backward({y}, {values(context, {4, 8, 12})});
    CHECK_THROWS_WITH(tape.grad(middle), Catch::Contains("computed on the tape"));
    CHECK(tape.grad(x).to_host<float>(context) == std::vector<float>{4, 8, 12});
    // The loss does not depend on it.
    CHECK(tape.grad(unused).to_host<float>(context) == std::vector<float>{0, 0, 0});
  }
}

TEST_CASE("what a function hands out and needs for its gradient is watched") {
  for (const Device device : devices_here()) {
    Context context(device, 0, 1);
    Tape tape(context);
    const Variable x = tape.input(Tensor::from<float>(context, {4, 2}, {0, 0, 1, 0, 5, 5, 6, 5}));
    const Triplet triplet =
        batch_hard_triplet(tape, x, Tensor::from<int64_t>(context, {4}, {0, 0, 1, 1}), 10);
    const int64_t other[4] = {0, 0, 0, 0};
    triplet.positive.write(context, other);
    CHECK_THROWS_WITH(tape.backward(triplet.loss), Catch::Contains("overwritten"));
  }
}

TEST_CASE("linear keeps no value that its gradient does not read") {
  Context context(Device::cpu, 0, 1);
  const Tensor w = Tensor::zeros(context, {2000, 10}, DType::f32),
               x = Tensor::zeros(context, {3000, 10}, DType::f32);
  const auto held = [&](bool activated) {
    Tape tape(context);
    const size_t before = memory_of(context).bytes_in_use();
    linear(tape, tape.input(x), tape.constant(w), nullptr, activated);
    return memory_of(context).bytes_in_use() - before;
  };
  CHECK(held(false) == 0);
  CHECK(held(true) >= 2000 * 3000 * sizeof(float));
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
  tape.find = Tape::Find::nan;
  const Variable x = tape.input(values(context, {INFINITY, 1}));
  const Variable positive = relu(tape, x);  // passes infinity on: no NaN yet
  CHECK_THROWS_WITH(linear(tape, positive, tape.constant(values(context, {0, 1})), nullptr),
                    Catch::Contains("linear"));
  tape.find = Tape::Find::not_finite;
  CHECK_THROWS_WITH(relu(tape, x), "infinity: first made by the op relu");
}
