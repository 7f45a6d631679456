// Products of parts of one tensor, on the tape: forward and gradient through views, without copies.
#include "autograd/functions/linear.h"
#include "autograd/op_check.h"
#include "kernels/common/device.h"
#include "tests/common/catch.h"

using namespace saccade;

namespace {

// scores = q k^T / 4, y = scores v of a fused projection. The heads of q, k and v are views, those of y
// lie side by side again, and all three gradients arrive in one tensor.
const Op& products_of_heads() {
  static const Op op{
      .name = "products of heads",
      .contract = "autograd/functions/linear.h",
      .inputs = {{"qkv"}},
      .outputs = {{"scores"}, {"y"}},
      .attributes = {{"heads"}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        const int64_t heads = integer(a, "heads");
        const auto part = [&](int64_t index) { return heads_of(in[0], heads, index, 3); };
        const Variable scores = matmul(tape, part(0), transposed(part(1)), 0.25);
        return {scores, matmul_to_heads(tape, matrices_of(scores), part(2))};
      },
      .cases = {{.name = "one", .inputs = {{{1, 1, 3}}}, .attributes = {{"heads", 1}}},
                {.name = "odd", .inputs = {{{2, 5, 3 * 3 * 7}}}, .attributes = {{"heads", 3}}},
                {.name = "packs", .inputs = {{{3, 6, 3 * 2 * 8}}}, .attributes = {{"heads", 2}}},
                {.name = "no sample", .inputs = {{{0, 5, 6}}}, .attributes = {{"heads", 2}}}},
      .floor = nullptr,
      .devices = devices_with_gpu(),
  };
  return op;
}

// y = a^T b and -y^T b^T: gradients that are written to transposed views.
const Op& transposed_products() {
  static const Op op{
      .name = "transposed products",
      .contract = "autograd/functions/linear.h",
      .inputs = {{"x"}},
      .outputs = {{"y"}, {"z"}},
      .attributes = {},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
        const Matrices a = heads_of(in[0], 2, 0, 2), b = heads_of(in[0], 2, 1, 2);
        const Variable y = matmul(tape, transposed(a), b);
        return {y, matmul(tape, transposed(matrices_of(y)), transposed(b), -1)};
      },
      .cases = {{.name = "odd", .inputs = {{{2, 5, 12}}}}},
      .floor = nullptr,
      .devices = devices_with_gpu(),
  };
  return op;
}

}  // namespace

TEST_CASE("products of views agree with the f64 oracle, values and gradients") {
  for (const Device device : {Device::cpu, Device::simt, Device::cuda}) {
    if (!is_available(device)) continue;
    Context context(device, 0, 2);
    for (const Op* op : {&products_of_heads(), &transposed_products()})
      for (const Case& test_case : op->cases)
        for (const DType dtype : {DType::f32, DType::bf16}) {
          const CheckResult result = check_parity(*op, test_case, context, dtype);
          INFO(name_of(device) << ": " << result.failure);
          CHECK(result.passed);
        }
  }
}

TEST_CASE(
    "the gradients of products of views agree with finite differences, and the check sees a wrong one") {
  for (const Op* op : {&products_of_heads(), &transposed_products()})
    for (const Case& test_case : op->cases) {
      const CheckResult result = check_gradient(*op, test_case);
      INFO(result.failure);
      CHECK(result.passed);
      if (result.compared > 0) CHECK(!check_gradient(*op, test_case, 1.01).passed);
    }
}

TEST_CASE("columns that no view shows take no gradient") {
  Context context(Device::cpu, 0, 1);
  Tape tape(context);
  const Variable x = tape.input(Tensor::from<float>(context, {1, 2, 3}, {1, 2, 3, 4, 5, 6}));
  const Variable y = matmul(tape, heads_of(x, 1, 0, 3), transposed(heads_of(x, 1, 2, 3)));
  tape.backward({y}, {Tensor::from<float>(context, {1, 1, 2, 2}, {1, 0, 0, 0})});
  CHECK(tape.grad(x).to_host<float>(context) == std::vector<float>{3, 0, 1, 0, 0, 0});
}

TEST_CASE("products of matrices that do not fit are errors of the input") {
  Context context(Device::cpu, 0, 1);
  Tape tape(context);
  const auto zeros = [&](const Shape& shape) {
    return tape.constant(Tensor::zeros(context, shape, DType::f32));
  };
  CHECK_THROWS_WITH(matmul(tape, zeros({2, 3, 4}), zeros({3, 4, 5})),
                    "matmul: a [2,3,4] and b [3,4,5] have other leading dimensions");
  CHECK_THROWS_WITH(matmul(tape, zeros({2, 3, 4}), zeros({2, 3, 5})),
                    "matmul: 2 x 1 matrices of 3 x 4 and 2 x 1 of 3 x 5 do not fit each other");
  CHECK_THROWS_AS(matmul(tape, zeros({4}), zeros({4})), InputError);
  CHECK_THROWS_WITH(heads_of(zeros({2, 3, 10}), 2, 0, 3), "heads_of: [2,3,10] is not [B,T,3*2*width]");
  CHECK_THROWS_AS(heads_of(zeros({2, 3, 12}), 2, 3, 3), InputError);
  CHECK_THROWS_AS(matrices_of(zeros({2, 3, 4})), InputError);
  const Matrices beyond{zeros({2, 3, 4}), dense_matrices(1, 1, 5, 5)};
  CHECK_THROWS_WITH(matmul(tape, beyond, beyond),
                    "matmul: a view reaches beyond its tensor of shape [2,3,4]");
}

TEST_CASE("a view that meets an element twice may be read, and takes no gradient") {
  Context context(Device::cpu, 0, 1);
  Tape tape(context);
  const Tensor two = Tensor::from<float>(context, {1, 1, 1, 2}, {3, 4});
  MatrixView twice = dense_matrices(1, 2, 1, 2);
  twice.inner.stride = 0;
  const Matrices ones = matrices_of(tape.constant(Tensor::from<float>(context, {1, 2, 2, 1}, {1, 1, 1, 0})));
  CHECK(matmul(tape, {tape.constant(two), twice}, ones).value.to_host<float>(context) ==
        std::vector<float>{7, 3});
  CHECK_THROWS_WITH(
      matmul(tape, {tape.input(two), twice}, ones),
      "matmul: a view that meets an element twice takes no gradient: it would be written twice");
}
