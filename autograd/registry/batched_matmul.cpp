#include "autograd/functions/linear.h"

#include "autograd/registry/registry.h"
#include "kernels/matmul/batched_matmul.h"

namespace saccade {

namespace {

BatchedMatmulShape shape_of(const std::vector<Shape>& in, const Attributes& a) {
  BatchedMatmulShape s{
      dense_matrices(in[0][0], 1, in[0][1], in[0][2]), dense_matrices(in[1][0], 1, in[1][1], in[1][2]), {}};
  s.a.transposed = a.at("transpose_a") != 0;
  s.b.transposed = a.at("transpose_b") != 0;
  s.c = dense_matrices(in[0][0], 1, s.a.height(), s.b.width());
  return s;
}

}  // namespace

Op batched_matmul_op() {
  return {
      .name = "batched_matmul",
      .contract = "kernels/matmul/batched_matmul.h",
      .inputs = {{"a"}, {"b"}},
      .outputs = {{"c"}},
      .attributes = {flag("transpose_a", false), flag("transpose_b", false)},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        check_input(in[0].shape().rank() == 3 && in[1].shape().rank() == 3, "batched_matmul: a ",
                    in[0].shape().text(), " and b ", in[1].shape().text(), " are not [B,m,k] and [B,k,n]");
        return {matmul(tape, in[0], in[1], a.at("transpose_a") != 0, a.at("transpose_b") != 0)};
      },
      .cases =
          {{.name = "no matrices", .inputs = {{{0, 3, 4}}, {{0, 4, 5}}}},
           {.name = "empty sum", .inputs = {{{2, 3, 0}}, {{2, 0, 5}}}},
           {.name = "one", .inputs = {{{1, 1, 1}}, {{1, 1, 1}}}},
           {.name = "odd", .inputs = {{{3, 5, 7}}, {{3, 7, 9}}}},
           {.name = "a transposed", .inputs = {{{3, 7, 5}}, {{3, 7, 9}}}, .attributes = {{"transpose_a", 1}}},
           {.name = "b transposed", .inputs = {{{3, 5, 7}}, {{3, 9, 7}}}, .attributes = {{"transpose_b", 1}}},
           {.name = "both transposed",
            .inputs = {{{3, 7, 5}}, {{3, 9, 7}}},
            .attributes = {{"transpose_a", 1}, {"transpose_b", 1}}},
           {.name = "heads",  // of 8 elements a row, which packs of 16 bytes read
            .inputs = {{{6, 72, 8}}, {{6, 72, 8}}},
            .attributes = {{"transpose_b", 1}}},
           {.name = "large",
            .inputs = {{{24, 132, 64}}, {{24, 132, 64}}},
            .attributes = {{"transpose_b", 1}},
            .small = false}},
      .floor = [](const std::vector<Shape>& in, const Attributes& a,
                  int element) { return BatchedMatmul<Device::cpu>::floor(shape_of(in, a), element); },
      .devices = devices_with_gpu(),
      .library = true,
      .versions = true,
  };
}

}  // namespace saccade
