#include "tensor/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "autograd/functions/elementwise.h"
#include "autograd/functions/linear.h"
#include "autograd/segment.h"
#include "autograd/tape.h"
#include "kernels/common/device.h"
#include "tensor/memory.h"
#include "tests/common/catch.h"
#include "tests/common/resident.h"

using namespace saccade;

TEST_CASE("reshape and slice share storage, copies do not") {
  Context context(Device::cpu, 0, 1);
  const Tensor x = Tensor::from<float>(context, {3, 2}, {1, 2, 3, 4, 5, 6});
  const Tensor rows = x.slice(1, 3), flat = x.reshape({6}), other = copy_of(context, x);
  CHECK(rows.shares_storage_with(x));
  CHECK(flat.shares_storage_with(x));
  CHECK_FALSE(other.shares_storage_with(x));
  CHECK(rows.to_host<float>(context) == std::vector<float>{3, 4, 5, 6});
  rows.data<float>()[0] = 30;
  CHECK(flat.data<float>()[2] == 30);
  CHECK(other.data<float>()[2] == 3);
  CHECK_THROWS_AS(x.reshape({5}), Error);
  CHECK_THROWS_AS(x.slice(2, 4), Error);
  CHECK_THROWS_AS(x.data<double>(), Error);
  CHECK_THROWS_AS((Shape{1, 2, 3, 4, 5, 6, 7}), Error);
}

TEST_CASE("storage is aligned, and empty tensors work") {
  Context context(Device::cpu, 0, 1);
  for (int64_t count : {0, 1, 63, 1000, 70000}) {
    const Tensor x = Tensor::zeros(context, {count}, DType::f32);
    CHECK(reinterpret_cast<uintptr_t>(x.raw()) % kAlignment == 0);
    CHECK(x.to_host<float>(context) == std::vector<float>(static_cast<size_t>(count)));
  }
}

TEST_CASE("conversion keeps every value that the new dtype can hold") {
  Context context(Device::cpu, 0, 1);
  const std::vector<float> values = {0, -1, 0.5f, 255, 3.140625f};
  const Tensor x = Tensor::from<float>(context, {5}, values);
  for (DType dtype : {DType::bf16, DType::f64, DType::bound})
    CHECK(converted(context, converted(context, x, dtype), DType::f32).to_host<float>(context) == values);
}

TEST_CASE("bf16 rounds to nearest even") {
  CHECK(static_cast<float>(bf16(1.0f + 0x1p-9f)) == 1.0f);            // below half: down
  CHECK(static_cast<float>(bf16(1.0f + 0x1p-8f)) == 1.0f);            // half: to even
  CHECK(static_cast<float>(bf16(1.0f + 0x3p-8f)) == 1.0f + 0x1p-6f);  // half: to even
  CHECK(std::isnan(static_cast<float>(bf16(std::nanf("")))));
  CHECK(std::isinf(static_cast<float>(bf16(3.4e38f))));
}

TEST_CASE("the pool gives pages back to the next tensor of the size") {
  Context context(Device::cpu, 0, 1);
  void* first;
  {
    const Tensor x(context, {1000}, DType::f32);
    first = x.raw();
  }
  CHECK(Tensor(context, {1000}, DType::f32).raw() == first);
  CHECK(memory_of(context).bytes_in_use() == 0);
}

namespace {

constexpr int64_t kMiB = 1 << 20;

// Tensors of bytes, all of which are written.
Tensor filled(Context& context, int64_t bytes, int value) {
  const Tensor tensor(context, {bytes}, DType::u8);
  std::memset(tensor.raw(), value, static_cast<size_t>(bytes));
  return tensor;
}

}  // namespace

TEST_CASE("large tensors of all sizes take turns on the same pages") {
  Context context(Device::cpu, 0, 1);
  const size_t before = resident_bytes();
  for (int64_t size = 64; size >= 32; --size) filled(context, size * kMiB, 1);
  CHECK(resident_bytes() < before + 80 * kMiB);
  CHECK(memory_of(context).bytes_in_use() == 0);
  CHECK(memory_of(context).peak_bytes() == 64 * kMiB);
}

TEST_CASE(
    "what large tensors no longer need goes back to the system, and those that live keep their values") {
  Context context(Device::cpu, 0, 1);
  const Tensor stays = filled(context, 8 * kMiB, 7);
  const size_t before = resident_bytes();
  filled(context, 64 * kMiB, 1);
  CHECK(resident_bytes() > before + 56 * kMiB);  // the next step may want it
  for (int i = 0; i < 10000; ++i) Tensor(context, {1}, DType::f32);
  CHECK(resident_bytes() < before + 8 * kMiB);
  CHECK(stays.to_host<uint8_t>(context) == std::vector<uint8_t>(8 * kMiB, 7));
}

TEST_CASE("the arena of a segment takes the pages of its recorded run") {
  Context context(Device::cpu, 0, 1);
  const size_t before = resident_bytes();
  Segment segment(context);
  for (int run = 0; run < 3; ++run)
    segment.run([&] {
      const Tensor a = filled(context, 40 * kMiB, 1);
      const Tensor b = filled(context, 24 * kMiB, 2);
    });
  CHECK(resident_bytes() > before + 56 * kMiB);
  CHECK(resident_bytes() < before + 72 * kMiB);
}

TEST_CASE("zeros are zero, whatever lay there before, and take no page before they are used") {
  for (const Device device : {Device::cpu, Device::reference}) {
    Context context(device, 0, 1);
    const size_t before = resident_bytes();
    const Tensor fresh = Tensor::zeros(context, {64 * kMiB}, DType::u8);
    CHECK(resident_bytes() < before + 8 * kMiB);
    CHECK(fresh.to_host<uint8_t>(context) == std::vector<uint8_t>(64 * kMiB));
    for (const int64_t size : {int64_t{100}, 3 * kMiB, 5 * kMiB}) {
      filled(context, 4 * kMiB, 0xff), filled(context, size, 0xff);
      CHECK(Tensor::zeros(context, {size}, DType::u8).to_host<uint8_t>(context) ==
            std::vector<uint8_t>(static_cast<size_t>(size)));
    }
    Segment segment(context);
    for (int run = 0; run < 3; ++run) {
      Tensor zeros;
      segment.run([&] { zeros = Tensor::zeros(context, {5 * kMiB}, DType::u8); });
      CHECK(zeros.to_host<uint8_t>(context) == std::vector<uint8_t>(5 * kMiB));
      std::memset(zeros.raw(), 0xff, zeros.bytes());
    }
  }
}

TEST_CASE("a network that has not learned yet holds no page for gradients and moments") {
  Context context(Device::cpu, 0, 2);
  const size_t before = resident_bytes();
  Learner learner;
  learner.parameters.add("w", {16 * kMiB},
                         [](float* v, int64_t n, PhiloxStream&) { std::fill_n(v, n, 1.0f); });
  learner.start(context, 1, OptimizerConfig());
  CHECK(resident_bytes() > before + 60 * kMiB);
  CHECK(resident_bytes() < before + 72 * kMiB);
  learner.step();
  CHECK(resident_bytes() > before + 200 * kMiB);
}

TEST_CASE("more memory than there is is an error in one line, after which the context goes on") {
  Context context(Device::cpu, 0, 1);
  const Tensor kept = filled(context, kMiB, 3);
  CHECK_THROWS_WITH(Tensor(context, {int64_t{1} << 50}, DType::u8),
                    "out of memory: 1125899906842624 bytes asked for on the host, beside 1048576 in use");
  CHECK(memory_of(context).bytes_in_use() == kMiB);
  CHECK(filled(context, 2 * kMiB, 4).to_host<uint8_t>(context) == std::vector<uint8_t>(2 * kMiB, 4));
  CHECK(kept.to_host<uint8_t>(context) == std::vector<uint8_t>(kMiB, 3));
}

TEST_CASE("larger scratch takes the place of smaller, and leaves what is in use") {
  for (const Device device : {Device::cpu, Device::simt}) {
    if (!is_available(device)) continue;
    Context context(device, 0, 1);
    const Context::Scratch outer(context, 3 * kMiB);
    const size_t before = context.scratch_bytes();
    std::memset(outer.as<void>(), 0, 3 * kMiB);
    for (int64_t size = 1; size <= 16; size *= 2) {
      const Context::Scratch inner(context, static_cast<size_t>(size * kMiB)), innermost(context, 100);
      std::memset(inner.as<void>(), 1, static_cast<size_t>(size * kMiB));
    }
    // Recorded work may know the addresses of all of them.
    CHECK(context.scratch_bytes() - before < static_cast<size_t>(can_record(device) ? 40 : 18) * kMiB);
    CHECK(std::all_of(outer.as<char>(), outer.as<char>() + 3 * kMiB, [](char byte) { return byte == 0; }));
    const size_t all = context.scratch_bytes();
    for (int64_t size = 1; size <= 16; size *= 2) Context::Scratch(context, static_cast<size_t>(size * kMiB));
    CHECK(context.scratch_bytes() == all);
  }
}

TEST_CASE("scratch scopes nest and find their addresses again") {
  Context context(Device::cpu, 0, 1);
  void *outer_first = nullptr, *inner_first = nullptr;
  for (int pass = 0; pass < 2; ++pass) {
    const Context::Scratch outer(context, 100), inner(context, 3 << 20);
    CHECK(outer.as<char>() != inner.as<char>());
    if (pass == 0) {
      outer_first = outer.as<void>();
      inner_first = inner.as<void>();
    }
    CHECK(outer.as<void>() == outer_first);
    CHECK(inner.as<void>() == inner_first);
  }
}

namespace {
// Makes three tensors, of which the first is freed before the third is made.
std::vector<void*> work(Context& context, Tensor* kept, int64_t size = 5000) {
  std::vector<void*> addresses;
  {
    const Tensor a(context, {size}, DType::f32);
    const Tensor b(context, {100}, DType::f32);
    addresses = {a.raw(), b.raw()};
  }
  *kept = Tensor(context, {4000}, DType::f32);
  addresses.push_back(kept->raw());
  return addresses;
}
}  // namespace

TEST_CASE("a segment replays on the same addresses and reuses what is free") {
  Context context(Device::cpu, 0, 1);
  Segment segment(context);
  Tensor kept;
  std::vector<void*> runs[3];
  for (auto& run : runs) segment.run([&] { run = work(context, &kept); });
  CHECK(runs[1] == runs[2]);
  CHECK(runs[1][0] == runs[1][2]);  // the third took the place of the first
  CHECK_FALSE(context.in_segment);
  CHECK_THROWS_WITH(segment.run([&] { Segment(context).run([] {}); }), Catch::Contains("nest"));
}

TEST_CASE("a segment that changes its mind is an error, unless its key says so") {
  Context context(Device::cpu, 0, 1);
  Segment segment(context);
  Tensor kept;
  for (int run = 0; run < 2; ++run) segment.run([&] { work(context, &kept); });
  CHECK_THROWS_AS(segment.run([&] { work(context, &kept, 50000); }), Error);
  CHECK_THROWS_AS(segment.run([&] { Tensor(context, {5000}, DType::f32); }), Error);
  segment.run([&] { work(context, &kept); });  // and still works afterwards
  kept = Tensor();
  for (int run = 0; run < 3; ++run)
    for (const int64_t size : {int64_t{5000}, int64_t{50000}}) {
      segment.run(std::to_string(size), [&] { work(context, &kept, size); });
      kept = Tensor();
    }
}

TEST_CASE("a tensor kept from an earlier run of a segment is an error where another needs its place") {
  Context context(Device::cpu, 0, 1);
  Segment segment(context);
  Tensor kept, stolen;
  const auto steal = [&](bool keep) {
    segment.run([&] {
      Tensor a(context, {5000}, DType::f32);
      if (keep) stolen = a;
      a = Tensor();
      kept = Tensor(context, {5000}, DType::f32);
    });
  };
  steal(false);
  steal(false);
  CHECK_THROWS_AS(steal(true), Error);
}

TEST_CASE("inside a segment the host may not read, and the message names the op") {
  Context context(Device::cpu, 0, 1);
  const Tensor x = Tensor::zeros(context, {1}, DType::f32);
  context.current_op = "some_op";
  CHECK_THROWS_WITH(Segment(context).run([&] { x.item<float>(context); }), Catch::Contains("some_op"));
  context.current_op = nullptr;
  CHECK(x.item<float>(context) == 0);
}

namespace {

std::vector<Device> devices_here() {
  std::vector<Device> all = {Device::cpu};
  for (const Device device : {Device::simt, Device::cuda})
    if (is_available(device)) all.push_back(device);
  return all;
}

constexpr int64_t kLarge = 1 << 18;  // floats

void use(Context& context, int64_t size) {
  Tensor::zeros(context, {size}, DType::f32);
}

}  // namespace

TEST_CASE("a segment's memory goes with it: stages that follow each other do not add up") {
  for (const Device device : devices_here()) {
    Context context(device, 0, 1);
    const size_t before = memory_of(context).bytes_in_use();
    for (int stage = 0; stage < 3; ++stage) {
      Segment segment(context);
      for (int run = 0; run < 3; ++run) segment.run([&] { use(context, kLarge); });
      CHECK(memory_of(context).bytes_in_use() >= before + kLarge * sizeof(float));
    }
    CHECK(memory_of(context).bytes_in_use() == before);
    CHECK(memory_of(context).peak_bytes() < before + 2 * kLarge * sizeof(float));
  }
}

TEST_CASE("a tensor may outlive its segment") {
  Context context(Device::cpu, 0, 1);
  Tensor kept;
  {
    Segment segment(context);
    for (int run = 0; run < 2; ++run) segment.run([&] { kept = Tensor(context, {kLarge}, DType::f32); });
    std::fill_n(kept.data<float>(), kLarge, 7.0f);
  }
  use(context, kLarge);
  CHECK(kept.to_host<float>(context) == std::vector<float>(kLarge, 7.0f));
  kept = Tensor();
  CHECK(memory_of(context).bytes_in_use() == 0);
}

TEST_CASE("segments that never live at once share memory: sixteen take as much as the largest") {
  for (const Device device : devices_here()) {
    Context context(device, 0, 1);
    const size_t before = memory_of(context).bytes_in_use();
    Segment first(context);
    std::vector<Segment> blocks;
    for (int block = 0; block < 16; ++block) blocks.emplace_back(context, first);
    Tensor held;
    for (int run = 0; run < 3; ++run)
      for (size_t block = 0; block < blocks.size(); ++block)
        blocks[block].run([&] { use(context, kLarge + static_cast<int64_t>(block) * 1000); });
    CHECK(memory_of(context).bytes_in_use() < before + 2 * kLarge * sizeof(float));
    // What one of them made must be gone when another begins.
    blocks[0].run("keep", [&] { use(context, 100); });
    for (int run = 0; run < 2; ++run)
      blocks[1].run("keep", [&] { held = Tensor(context, {kLarge}, DType::f32); });
    CHECK_THROWS_WITH(blocks[0].run("keep", [&] { use(context, 100); }),
                      Catch::Contains("is kept while another"));
    held = Tensor();
    blocks[0].run("keep", [&] { use(context, 100); });
  }
}

namespace {

// Two weights that learn <x, w> = 1, in a step that is a segment.
class Line {
 public:
  explicit Line(Device device) : context(device, 0, 1), segment(context) {
    const Initializer half = [](float* v, int64_t n, PhiloxStream&) { std::fill_n(v, n, 0.5f); };
    for (const char* name : {"a", "b"}) learner.parameters.add(name, {1, 2}, half);
    OptimizerConfig sgd;
    sgd.kind = OptimizerConfig::sgd;
    sgd.momentum = 0;
    learner.start(context, 1, sgd);
    learner.set_learning_rate(0.125);
    x = Tensor::from<float>(context, {1, 2}, {1, 2});
  }
  void step() {
    segment.run([&] {
      Tape tape(context, {&learner});
      std::vector<Variable> terms;
      for (const char* name : {"a", "b"})
        terms.push_back(
            linear(tape, tape.constant(x), tape.as_stored(*learner.parameters.find(name)), nullptr));
      tape.backward(mean(tape, mul(tape, terms[0], terms[1])));
      learner.step();
    });
  }
  std::vector<float> weight(const char* name) {
    return learner.parameters.find(name)->value.to_host<float>(context);
  }

  Context context;
  Learner learner;
  Tensor x;
  Segment segment;
};

}  // namespace

TEST_CASE("what was frozen after a step was recorded stays, and what is freed learns again") {
  for (const Device device : devices_here()) {
    Line line(device), eager(device);
    eager.context.replays_segments = false;
    const auto both = [&](auto&& change) {
      change(line);
      change(eager);
      for (int i = 0; i < 3; ++i) line.step(), eager.step();  // as it comes, recorded, replayed
      CHECK(line.weight("a") == eager.weight("a"));
      CHECK(line.weight("b") == eager.weight("b"));
    };
    both([](Line&) {});
    const auto a = line.weight("a"), b = line.weight("b");
    both([](Line& l) { l.learner.freeze("a"); });
    CHECK(line.weight("a") == a);
    CHECK(line.weight("b") != b);
    both([](Line& l) { l.learner.freeze("a", false); });
    CHECK(line.weight("a") != a);
  }
}

TEST_CASE("a replayed step counts as written: a value saved before it is not used after it") {
  for (const Device device : devices_here()) {
    Line line(device);
    for (int i = 0; i < 3; ++i) line.step();
    Tape tape(line.context);
    const Variable x = tape.input(line.x);
    const Variable y = linear(tape, x, tape.as_stored(*line.learner.parameters.find("a")), nullptr);
    line.step();
    CHECK_THROWS_WITH(tape.backward(y), Catch::Contains("overwritten"));
  }
}

TEST_CASE(
    "a replay knows whether gradients wait: what it recorded as the first of a step it does not replay as "
    "the second") {
  for (const Device device : devices_here()) {
    Line line(device);
    Parameter& a = *line.learner.parameters.find("a");
    Segment task(line.context);
    const auto run = [&] {
      task.run([&] {
        Tape tape(line.context, {&line.learner});
        tape.backward(linear(tape, tape.constant(line.x), tape.as_stored(a), nullptr));
      });
    };
    for (int step = 0; step < 4; ++step) {
      line.learner.drop_gradients();
      run();
      CHECK(a.grad.to_host<float>(line.context) == std::vector<float>{1, 2});
      CHECK(a.grad_written);
    }
    run();  // a second task of the same step
    CHECK(a.grad.to_host<float>(line.context) == std::vector<float>{2, 4});
  }
}

TEST_CASE("a segment does not replay on parameters that are gone") {
  for (const Device device : devices_here()) {
    Context context(device, 0, 1);
    Segment segment(context);
    const Tensor x = Tensor::from<float>(context, {1, 2}, {1, 2});
    Tensor out = Tensor::zeros(context, {1, 1}, DType::f32);
    const auto run = [&](float value) {
      Learner learner;
      Parameter& w = learner.parameters.add(
          "w", {1, 2}, [value](float* v, int64_t n, PhiloxStream&) { std::fill_n(v, n, value); });
      learner.start(context, 1);
      for (int i = 0; i < 3; ++i) {
        segment.run([&] {
          Tape tape(context);
          copy(context, out, linear(tape, tape.constant(x), tape.as_stored(w), nullptr).value);
        });
        CHECK(out.item<float>(context) == 3 * value);
      }
    };
    run(1);
    run(2);
  }
}

TEST_CASE("after an exception a step begins anew: no half of its gradients is added to the next") {
  for (const Device device : devices_here()) {
    Line line(device), untouched(device);
    for (int i = 0; i < 2; ++i) line.step(), untouched.step();
    const auto failing = [&] {
      Tape tape(line.context, {&line.learner});
      Parameter& a = *line.learner.parameters.find("a");
      const Variable y = linear(tape, tape.constant(line.x), tape.as_stored(a), nullptr);
      tape.backward(y);
      throw Error("in the middle of a step");
    };
    Segment segment(line.context);
    CHECK_THROWS_AS(segment.run(failing), Error);
    line.step(), untouched.step();
    CHECK(line.weight("a") == untouched.weight("a"));
    // Without a segment: a saved value that was overwritten stops backward halfway.
    {
      Tape tape(line.context, {&line.learner});
      const Variable scale = tape.constant(Tensor::from<float>(line.context, {1, 1}, {2}));
      const Variable y =
          linear(tape, tape.constant(line.x), tape.as_stored(*line.learner.parameters.find("a")), nullptr);
      const Variable scaled = mul(tape, y, scale);
      const Variable z =
          linear(tape, tape.constant(line.x), tape.as_stored(*line.learner.parameters.find("b")), nullptr);
      const Variable sum = add(tape, scaled, z);  // backward reaches z first
      scale.value.mark_written();
      CHECK_THROWS_WITH(tape.backward(sum), Catch::Contains("overwritten"));
    }
    line.step(), untouched.step();
    CHECK(line.weight("b") == untouched.weight("b"));
  }
}

TEST_CASE("a value that a segment made and made again since is not used for a gradient") {
  for (const Device device : devices_here()) {
    Context context(device, 0, 1);
    Segment segment(context);
    const Tensor x = Tensor::from<float>(context, {1, 2}, {5, 6});
    Tensor y;
    const auto run = [&] {
      segment.run([&] {
        Tape tape(context);
        y = scale(tape, tape.constant(x), 1).value;
      });
    };
    for (int i = 0; i < 3; ++i) run();
    Tape tape(context);
    const Variable w = tape.input(x);
    const Variable z = mul(tape, w, tape.constant(y));
    run();
    CHECK_THROWS_WITH(tape.backward({z}, {x}), Catch::Contains("overwritten"));
  }
}

TEST_CASE("a replay whose input is gone is an error, and one that stays may be written anew") {
  for (const Device device : devices_here()) {
    Context context(device, 0, 1);
    const Tensor out = Tensor::zeros(context, {1, 2}, DType::f32);
    const auto doubled = [&](Segment& segment, const Tensor& x) {
      segment.run([&] {
        Tape tape(context);
        copy(context, out, scale(tape, tape.constant(x), 2).value);
      });
      return out.to_host<float>(context);
    };
    Segment stays(context), remade(context);
    Tensor x = Tensor::zeros(context, {1, 2}, DType::f32);
    for (float value = 0; value < 5; ++value) {
      const float values[2] = {value, 1};
      x.write(context, values);
      CHECK(doubled(stays, x) == std::vector<float>{2 * value, 2});
    }
    const auto remake = [&] {
      for (float value = 0; value < 5; ++value) {
        const Tensor y = Tensor::from<float>(context, {1, 2}, {value, 1});
        if (doubled(remade, y) != std::vector<float>{2 * value, 2})
          FAIL("a replay read a tensor that is gone");
      }
    };
    if (can_record(device))
      CHECK_THROWS_WITH(remake(), Catch::Contains("is gone"));
    else
      remake();
  }
}

TEST_CASE("what a replay writes outside counts as written") {
  for (const Device device : devices_here()) {
    Context context(device, 0, 1);
    Segment segment(context);
    const Tensor x = Tensor::from<float>(context, {1, 2}, {5, 6}),
                 out = Tensor::zeros(context, {1, 2}, DType::f32);
    for (int i = 0; i < 3; ++i) segment.run([&] { copy(context, out, x); });
    Tape tape(context);
    const Variable w = tape.input(x);
    const Variable z = mul(tape, w, tape.constant(out));
    segment.run([&] { copy(context, out, x); });
    CHECK_THROWS_WITH(tape.backward({z}, {x}), Catch::Contains("overwritten"));
  }
}

TEST_CASE("gradients that are dropped inside a segment are dropped by its replays, too") {
  for (const Device device : devices_here()) {
    Line line(device);
    Parameter& a = *line.learner.parameters.find("a");
    Segment drops(line.context);
    for (int i = 0; i < 4; ++i) {
      a.grad_written = true;
      drops.run([&] { line.learner.drop_gradients(); });
      CHECK_FALSE(a.grad_written);
    }
  }
}

TEST_CASE("several runs of one key in a step replay, each as the state of the gradients wants it") {
  for (const Device device : devices_here()) {
    Line line(device);
    Parameter& a = *line.learner.parameters.find("a");
    Segment task(line.context);
    int calls = 0;
    for (int step = 0; step < 6; ++step) {
      line.learner.drop_gradients();
      for (int i = 0; i < 3; ++i)
        task.run([&] {
          ++calls;
          Tape tape(line.context, {&line.learner});
          tape.backward(linear(tape, tape.constant(line.x), tape.as_stored(a), nullptr));
        });
      CHECK(a.grad.to_host<float>(line.context) == std::vector<float>{3, 6});
    }
    // The first run of a step and later ones each run once as they come and are recorded once.
    CHECK(calls == (can_record(device) ? 4 : 18));
    line.learner.freeze("b");
    const int before = calls;
    for (int i = 0; i < 3; ++i) {
      line.learner.freeze("b");  // it is frozen already: nothing changes
      line.learner.drop_gradients();
      task.run([&] {
        ++calls;
        Tape tape(line.context, {&line.learner});
        tape.backward(linear(tape, tape.constant(line.x), tape.as_stored(a), nullptr));
      });
    }
    CHECK(calls - before == (can_record(device) ? 2 : 3));
  }
}

TEST_CASE("a learner takes over another's values, statistics and rounded copies") {
  for (const Device device : devices_here())
    for (const Precision precision : {Precision::f32, Precision::bf16}) {
      Context context(device, 0, 1);
      if (device == Device::cuda && !has_precision(context, precision)) continue;
      context.precision = precision;
      Learner online, target;
      for (Learner* learner : {&online, &target}) {
        learner->parameters.add("w", {1, 2},
                                [](float* v, int64_t n, PhiloxStream&) { std::fill_n(v, n, 1.0f); });
        learner->parameters.add_buffer("mean", {3}, Initializer());
      }
      online.start(context, 1, OptimizerConfig());
      target.start(context, 1);
      const float other[2] = {5, 7}, mean[3] = {1, 2, 3};
      Parameter &w = *online.parameters.find("w"), &followed = *target.parameters.find("w");
      w.value.write(context, other);
      online.parameters.refresh_bf16(context);
      online.parameters.find("mean")->value.write(context, mean);
      target.copy_from(online);
      CHECK(followed.value.to_host<float>(context) == std::vector<float>{5, 7});
      CHECK(target.parameters.find("mean")->value.to_host<float>(context) == std::vector<float>{1, 2, 3});
      Tape tape(context);
      const Tensor seen = tape.in_precision(followed).value;
      CHECK(converted(context, seen, DType::f32).to_host<float>(context) == std::vector<float>{5, 7});
      CHECK_THROWS_WITH(target.step(), Catch::Contains("no optimizer"));
    }
}

TEST_CASE(
    "parameters that were frozen behind their learner's back are an error, and a prefix ends at a dot") {
  Context context(Device::cpu, 0, 1);
  Learner learner;
  const Initializer ones = [](float* v, int64_t n, PhiloxStream&) { std::fill_n(v, n, 1.0f); };
  for (const char* name : {"block.1.w", "block.10.w", "block.1"}) learner.parameters.add(name, {1}, ones);
  learner.start(context, 1, OptimizerConfig());
  learner.freeze("block.1");
  CHECK(learner.parameters.find("block.1.w")->frozen());
  CHECK(learner.parameters.find("block.1")->frozen());
  CHECK_FALSE(learner.parameters.find("block.10.w")->frozen());
  learner.parameters.freeze("block");
  CHECK_THROWS_WITH(learner.step(), Catch::Contains("Learner::freeze"));
  learner.freeze("", false);
  learner.step();
}

TEST_CASE("parameters may go while a segment runs: it plans anew") {
  Context context(Device::cpu, 0, 1);
  Segment segment(context);
  for (int i = 0; i < 3; ++i) {
    auto learner = std::make_unique<Learner>();
    learner->parameters.add("w", {2}, Initializer());
    learner->start(context, 1);
    segment.run([&] {
      Tape tape(context, {learner.get()});
      tape.as_stored(*learner->parameters.find("w"));
      learner.reset();
    });
  }
  CHECK(memory_of(context).bytes_in_use() == 0);
}
