#include <cmath>

#include "autograd/functions/optimizer_step.h"
#include "autograd/registry/registry.h"

namespace saccade {

namespace {

Fill spans(std::vector<double> list) {
  return {Fill::values, 0, 1, std::move(list)};
}

}  // namespace

Op gradient_clip_op() {
  return {
      .name = "gradient_clip",
      .contract = "kernels/optimizer/gradient_clip.h",
      .inputs = {{.name = "grads", .differentiable = false, .stays_f32 = true}, {"spans", Kind::i64}},
      .outputs = {{.name = "factor", .differentiable = false, .stays_f32 = true}},
      .attributes = {{"limit"}},
      .prepare = [](Tape& setup, const std::vector<Variable>& given, const Attributes&) -> OpRun {
        setup.begin("gradient_clip");
        const SpanTable spans(setup.context(), given[0].value.count(), given[1].value);
        return [spans](Tape& tape, const std::vector<Variable>& in, const Attributes& a) {
          return constants(tape, {clip_factor(tape, spans, in[0].value, a.at("limit"))});
        };
      },
      .cases = {{.name = "no spans", .inputs = {{{5}}, {{0, 2}}}, .attributes = {{"limit", 1}}},
                {.name = "one",
                 .inputs = {{{1}, {Fill::constant, 4}}, {{1, 2}, spans({0, 1})}},
                 .attributes = {{"limit", 1}}},
                {.name = "below the limit",
                 .inputs = {{{37}}, {{1, 2}, spans({0, 37})}},
                 .attributes = {{"limit", 100}}},
                {.name = "above the limit",
                 .inputs = {{{37}}, {{1, 2}, spans({0, 37})}},
                 .attributes = {{"limit", 1.5}}},
                {.name = "gaps",
                 .inputs = {{{1001}}, {{3, 2}, spans({640, 300, 0, 333, 950, 1})}},
                 .attributes = {{"limit", 0.5}}},
                {.name = "no gradient",
                 .inputs = {{{9}, {Fill::constant}}, {{1, 2}, spans({0, 9})}},
                 .attributes = {{"limit", 1}}},
                {.name = "NaN is the guard's",
                 .inputs = {{{5}, {Fill::values, 0, 1, {1, NAN, 2}}}, {{1, 2}, spans({0, 5})}},
                 .attributes = {{"limit", 1}}},
                {.name = "NaN in a gap",
                 .inputs = {{{5}, {Fill::values, 0, 1, {1, NAN, 2, 2, 4}}}, {{2, 2}, spans({0, 1, 2, 3})}},
                 .attributes = {{"limit", 1}}},
                {.name = "large",
                 .inputs = {{{300007}}, {{2, 2}, spans({0, 100001, 100003, 200004})}},
                 .attributes = {{"limit", 2}},
                 .small = false}},
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int) { return GradientClip<Device::cpu>::floor(in[0].count()); },
      .devices = devices_with_gpu(),
      .versions = true,
  };
}

}  // namespace saccade
