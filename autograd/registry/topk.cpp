#include "kernels/retrieval/topk.h"

#include <cmath>

#include "autograd/functions/retrieval.h"
#include "autograd/registry/registry.h"

namespace saccade {

namespace {

const Fill few = {Fill::integers, -2, 3};  // whole numbers, most of them several times
const Fill with_nan = {Fill::values, 0, 1, {NAN, 3, -1, NAN, 2, INFINITY, 0, -INFINITY, 3, NAN, -0.0}};

}  // namespace

// Indices are compared as they are: nothing is computed, so no rounding can excuse another choice.
Op topk_op() {
  return {
      .name = "topk",
      .contract = "kernels/retrieval/topk.h",
      .inputs = {{.name = "x", .differentiable = false}},
      .outputs = {{.name = "values", .differentiable = false}, {"indices", Kind::i64}},
      .attributes = {{"k"}, flag("largest", true), {"pieces", false, 1}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        const Best best =
            topk(tape, in[0].value, integer(a, "k"), a.at("largest") != 0, integer(a, "pieces"));
        return {tape.constant(best.values), tape.constant(best.indices)};
      },
      .cases =
          {{.name = "no rows", .inputs = {{{0, 3}}}, .attributes = {{"k", 2}}},
           {.name = "none asked for", .inputs = {{{3, 4}}}, .attributes = {{"k", 0}}},
           {.name = "one", .inputs = {{{1, 1}}}, .attributes = {{"k", 1}}},
           {.name = "largest", .inputs = {{{3, 37}}}, .attributes = {{"k", 5}}},
           {.name = "smallest", .inputs = {{{3, 37}}}, .attributes = {{"k", 5}, {"largest", 0}}},
           {.name = "all sorted", .inputs = {{{2, 70}}}, .attributes = {{"k", 70}}},
           {.name = "ties", .inputs = {{{5, 300}, few}}, .attributes = {{"k", 33}}},
           {.name = "ties smallest", .inputs = {{{5, 300}, few}}, .attributes = {{"k", 33}, {"largest", 0}}},
           {.name = "ties streamed", .inputs = {{{5, 301}, few}}, .attributes = {{"k", 33}, {"pieces", 4}}},
           {.name = "all equal", .inputs = {{{2, 129}, {Fill::constant, 1}}}, .attributes = {{"k", 9}}},
           {.name = "NaN last", .inputs = {{{2, 44}, with_nan}}, .attributes = {{"k", 32}}},
           {.name = "NaN last smallest",
            .inputs = {{{2, 44}, with_nan}},
            .attributes = {{"k", 32}, {"largest", 0}, {"pieces", 3}}},
           {.name = "extreme",
            .inputs = {{{1, 7}, {Fill::values, 0, 1, {3e38, -3e38, 1e-30, -1e-30, 0, INFINITY, -INFINITY}}}},
            .attributes = {{"k", 7}}},
           {.name = "large",
            .inputs = {{{16, 15913}}},
            .attributes = {{"k", 50}, {"largest", 0}},
            .small = false},
           {.name = "large streamed",
            .inputs = {{{16, 15913}}},
            .attributes = {{"k", 50}, {"largest", 0}, {"pieces", 8}},
            .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes& a, int element) {
            return TopK<Device::cpu>::floor(in[0][0], in[0][1], integer(a, "k"), element);
          },
      .devices = devices_with_gpu(),
      .versions = true,
  };
}

}  // namespace saccade
