#include "kernels/metric/batch_hard_triplet.h"

#include <cmath>

#include "autograd/functions/loss.h"
#include "autograd/registry/registry.h"

namespace saccade {

namespace {

// The squared distance of anchor `a` to `b`, if b may be its farthest positive (or its nearest negative).
Bound candidate(const Case& test_case, const std::vector<std::vector<double>>& inputs, bool positive,
                size_t a, int64_t b) {
  const auto &x = inputs[0], &labels = inputs[1];
  const size_t depth = static_cast<size_t>(test_case.inputs[0].shape[1]), at = static_cast<size_t>(b);
  if (b < 0 || at >= labels.size() || (labels[a] == labels[at]) != positive) return Bound(NAN);
  Bound d2;
  for (size_t k = 0; k < depth; ++k) {
    const Bound difference = Bound(x[a * depth + k]) - Bound(x[at * depth + k]);
    d2 += difference * difference;
  }
  return d2;
}

Port pair(const char* name, bool positive) {
  return {.name = name,
          .kind = Kind::i64,
          .pick = [positive](const Case& test_case, const auto& inputs, size_t a, int64_t b) {
            return candidate(test_case, inputs, positive, a, b);
          }};
}

}  // namespace

Op batch_hard_triplet_op() {
  return {
      .name = "batch_hard_triplet",
      .contract = "kernels/metric/batch_hard_triplet.h",
      .inputs = {{"embeddings"}, {"labels", Kind::i64}},
      .outputs = {{"loss"}, pair("positive", true), pair("negative", false)},
      .attributes = {{"margin"}, flag("squared", false)},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        const Triplet t = batch_hard_triplet(tape, in[0], in[1].value, a.at("margin"), a.at("squared") != 0);
        return {t.loss, tape.constant(t.positive), tape.constant(t.negative)};
      },
      .cases = {{.name = "empty", .inputs = {{{0, 3}}, {{0}}}, .attributes = {{"margin", 0.3}}},
                {.name = "one",
                 .inputs = {{{1, 3}}, {{1}, {Fill::constant, 4}}},
                 .attributes = {{"margin", 0.3}}},
                {.name = "one identity",
                 .inputs = {{{5, 3}}, {{5}, {Fill::constant, 4}}},
                 .attributes = {{"margin", 0.3}}},
                {.name = "odd",
                 .inputs = {{{7, 5}}, {{7}, {Fill::integers, 0, 3}}},
                 .attributes = {{"margin", 1.2}}},
                {.name = "squared",
                 .inputs = {{{7, 5}}, {{7}, {Fill::integers, 0, 3}}},
                 .attributes = {{"margin", 1.2}, {"squared", 1}}},
                {.name = "ties",
                 .inputs = {{{9, 2}, {Fill::integers, 0, 2}}, {{9}, {Fill::integers, 0, 3}}},
                 .attributes = {{"margin", 0.3}},
                 .kink = true},
                {.name = "all the same point",
                 .inputs = {{{6, 4}, {Fill::constant, 2}}, {{6}, {Fill::integers, 0, 2}}},
                 .attributes = {{"margin", 0.3}},
                 .kink = true},
                {.name = "batch",
                 .inputs = {{{64, 257}}, {{64}, {Fill::integers, 0, 16}}},
                 .attributes = {{"margin", 0.3}},
                 .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes&, int element) {
            return BatchHardTriplet<Device::cpu>::forward_floor(in[0][0], in[0][1], element);
          },
      .devices = devices_with_gpu(),
      .versions = true,
  };
}

}  // namespace saccade
