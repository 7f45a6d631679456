#include "tensor/tensor.h"

#include <cmath>

#include "autograd/segment.h"
#include "tensor/memory.h"
#include "tests/common/catch.h"

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
// Three tensors, of which the first is gone before the third is made.
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
  Tensor kept;
  std::vector<void*> runs[3];
  for (auto& run : runs) run_segment(context, "work", [&] { run = work(context, &kept); });
  CHECK(runs[1] == runs[2]);
  CHECK(runs[1][0] == runs[1][2]);  // the third took the place of the first
  CHECK_FALSE(context.in_segment);
}

TEST_CASE("a segment that changes its mind is an error") {
  Context context(Device::cpu, 0, 1);
  Tensor kept;
  for (int run = 0; run < 2; ++run) run_segment(context, "work", [&] { work(context, &kept); });
  CHECK_THROWS_AS(run_segment(context, "work", [&] { work(context, &kept, 50000); }), Error);
  CHECK_THROWS_AS(run_segment(context, "work", [&] { Tensor(context, {5000}, DType::f32); }), Error);
  run_segment(context, "work", [&] { work(context, &kept); });  // and still works afterwards
}

TEST_CASE("a tensor kept from an earlier run of a segment is an error, not a silent overwrite") {
  Context context(Device::cpu, 0, 1);
  Tensor kept, stolen;
  const auto steal = [&](bool keep) {
    run_segment(context, "steal", [&] {
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
  try {
    run_segment(context, "read", [&] { x.item<float>(context); });
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("some_op") != std::string::npos);
  }
  context.current_op = nullptr;
  CHECK(x.item<float>(context) == 0);
}
