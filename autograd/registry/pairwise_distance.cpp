#include "kernels/metric/pairwise_distance.h"

#include "autograd/functions/distance.h"
#include "autograd/registry/registry.h"

namespace saccade {

namespace {

constexpr double kSquared = 1, kCosine = 2;

// With coordinates of 0 and 1 many of the points coincide.
const Fill few = {Fill::integers, 0, 2};

// Seven points, and seven that lie beside them: each has one near partner in the other set, and far ones.
const Fill seven = {Fill::values, 0, 1, {2, -1, 1, -2, 1, 1, -1}},
           beside = {Fill::values, 0, 1, {2.0625, -1, 1, -2, 1.03125, 1, -1}};

}  // namespace

Op pairwise_distance_op() {
  return {
      .name = "pairwise_distance",
      .contract = "kernels/metric/pairwise_distance.h",
      .inputs = {{"x"}, {"y"}},
      .outputs = {{"distance"}},
      .attributes = {{"metric", false, 0}},  // 0 euclidean, 1 squared, 2 cosine
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        const int64_t metric = integer(a, "metric");
        check_input(0 <= metric && metric <= 2, "pairwise_distance: metric ", metric,
                    " is none of 0 (euclidean), 1 (squared), 2 (cosine)");
        return {pairwise_distance(tape, in[0], in[1], static_cast<Metric>(metric))};
      },
      .cases = {{.name = "no rows", .inputs = {{{0, 3}}, {{2, 3}}}},
                {.name = "one", .inputs = {{{1, 1}}, {{1, 1}}}},
                {.name = "euclidean", .inputs = {{{5, 7}}, {{3, 7}}}},
                {.name = "squared", .inputs = {{{5, 7}}, {{3, 7}}}, .attributes = {{"metric", kSquared}}},
                {.name = "cosine", .inputs = {{{5, 7}}, {{3, 7}}}, .attributes = {{"metric", kCosine}}},
                {.name = "tiles", .inputs = {{{67, 40}}, {{70, 40}}}},
                {.name = "tiles squared",
                 .inputs = {{{67, 37}}, {{70, 37}}},
                 .attributes = {{"metric", kSquared}}},
                {.name = "tiles cosine",
                 .inputs = {{{67, 72}}, {{70, 72}}},
                 .attributes = {{"metric", kCosine}}},
                {.name = "same points", .inputs = {{{6, 2}, few}, {{5, 2}, few}}, .kink = true},
                {.name = "same points squared",
                 .inputs = {{{6, 2}, few}, {{5, 2}, few}},
                 .attributes = {{"metric", kSquared}}},
                {.name = "zero vectors",
                 .inputs = {{{3, 4}, {Fill::constant}}, {{2, 4}}},
                 .attributes = {{"metric", kCosine}},
                 .kink = true},
                {.name = "near",
                 .inputs = {{{4, 33}, {Fill::normal, 3, 0.01}}, {{6, 33}, {Fill::normal, 3, 0.01}}}},
                {.name = "near squared",
                 .inputs = {{{4, 33}, {Fill::normal, 3, 0.01}}, {{6, 33}, {Fill::normal, 3, 0.01}}},
                 .attributes = {{"metric", kSquared}}},
                {.name = "some near", .inputs = {{{33, 8}, seven}, {{136, 8}, beside}}},
                {.name = "some near squared",
                 .inputs = {{{33, 8}, seven}, {{136, 8}, beside}},
                 .attributes = {{"metric", kSquared}}},
                {.name = "extreme",
                 .inputs = {{{2, 3}, {Fill::values, 0, 1, {1e15, -1e15, 1e-15}}},
                            {{3, 3}, {Fill::values, 0, 1, {1e15, 3, -1e-10}}}},
                 .kink = true},
                {.name = "large", .inputs = {{{129, 512}}, {{67, 512}}}, .small = false},
                {.name = "large cosine",
                 .inputs = {{{129, 512}}, {{67, 512}}},
                 .attributes = {{"metric", kCosine}},
                 .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes&, int element) {
            return PairwiseDistance<Device::cpu>::floor(in[0][0], in[1][0], in[0][1], element);
          },
      .devices = devices_with_gpu(),
      .library = true,
      .versions = true,
  };
}

}  // namespace saccade
