#include "kernels/metric/batch_hard_triplet.h"

#include "autograd/functions/loss.h"
#include "autograd/registry/registry.h"

namespace saccade {

static const Registration registration{{
    .name = "batch_hard_triplet",
    .inputs = {{"embeddings"}, {"labels", Kind::i64}},
    .outputs = {{"loss"}, {"positive", Kind::i64}, {"negative", Kind::i64}},
    .attributes = {{"margin"}, {"squared", false, 0}},
    .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
      const Triplet t = batch_hard_triplet(tape, in[0], in[1].value, a.at("margin"), a.at("squared") != 0);
      return {t.loss, tape.constant(t.positive), tape.constant(t.negative)};
    },
    .cases = {{.name = "empty", .inputs = {{{0, 3}}, {{0}}}, .attributes = {{"margin", 0.3}}},
              {.name = "one", .inputs = {{{1, 3}}, {{1}, {Fill::constant, 4}}}, .attributes = {{"margin", 0.3}}},
              {.name = "one identity", .inputs = {{{5, 3}}, {{5}, {Fill::constant, 4}}}, .attributes = {{"margin", 0.3}}},
              {.name = "odd", .inputs = {{{7, 5}}, {{7}, {Fill::integers, 0, 3}}}, .attributes = {{"margin", 1.2}}},
              {.name = "squared", .inputs = {{{7, 5}}, {{7}, {Fill::integers, 0, 3}}}, .attributes = {{"margin", 1.2}, {"squared", 1}}},
              {.name = "ties", .inputs = {{{9, 2}, {Fill::integers, 0, 2}}, {{9}, {Fill::integers, 0, 3}}}, .attributes = {{"margin", 0.3}}, .kink = true},
              {.name = "all the same point", .inputs = {{{6, 4}, {Fill::constant, 2}}, {{6}, {Fill::integers, 0, 2}}}, .attributes = {{"margin", 0.3}}, .kink = true},
              {.name = "batch", .inputs = {{{64, 257}}, {{64}, {Fill::integers, 0, 16}}}, .attributes = {{"margin", 0.3}}, .small = false}},
    .floor = [](const std::vector<Shape>& in, const Attributes&, int element) {
      return BatchHardTriplet<Device::cpu>::forward_floor(in[0][0], in[0][1], element);
    },
    .devices = devices_with_gpu(),
}};

}  // namespace saccade
