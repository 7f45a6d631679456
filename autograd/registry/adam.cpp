#include <cmath>

#include "autograd/functions/optimizer_step.h"
#include "autograd/registry/registry.h"

namespace saccade {

namespace {

CaseInput one(double value) {
  return {{1}, {Fill::constant, value}};
}

Case step_case(const std::string& name, int64_t parameters, std::vector<double> spans,
               std::vector<double> scales, double step, Attributes attributes, double clip = 1,
               double guard = 0) {
  const int64_t count = static_cast<int64_t>(spans.size() / 2);
  const Fill squares = {Fill::uniform, 0, 2};  // second moments
  return {.name = name,
          .inputs = {{{parameters}},
                     {{parameters}},
                     {{parameters}},
                     {{parameters}, squares},
                     {{parameters}, squares},
                     {{count, 2}, {Fill::values, 0, 1, std::move(spans)}},
                     {{count, 2}, {Fill::values, 0, 1, std::move(scales)}},
                     one(0x1p-5),
                     one(clip),
                     one(guard),
                     one(step)},
          .attributes = std::move(attributes),
          .small = parameters < 100000};
}

Case first_step(Attributes attributes) {
  Case fresh = step_case("first step", 37, {0, 37}, {1, 0.125}, 0, std::move(attributes));
  for (size_t moment : {2, 3, 4}) fresh.inputs[moment].fill = {Fill::constant};
  return fresh;
}

// Second moments of 0: eps is all that is divided by.
Case no_gradient() {
  Case still = step_case("no gradient yet", 9, {0, 9}, {1, 0}, 0, {});
  for (size_t zero : {0, 2, 3, 4}) still.inputs[zero].fill = {Fill::constant};
  return still;
}

// The arena is f32 where the network computes in bf16.
Port arena(const char* name) {
  return {.name = name, .differentiable = false, .stays_f32 = true};
}

}  // namespace

Op adam_op() {
  return {
      .name = "adam",
      .contract = "kernels/optimizer/adam.h",
      .inputs = {arena("grads"),
                 arena("values"),
                 arena("first"),
                 arena("second"),
                 arena("largest"),
                 {"spans", Kind::i64},
                 arena("scales"),
                 arena("rate"),
                 arena("clip"),
                 arena("guard"),
                 {"step", Kind::i64}},
      .outputs = {arena("new_values"), arena("new_first"), arena("new_second"), arena("new_largest")},
      .attributes = {{"beta1", false, 0.9},
                     {"beta2", false, 0.999},
                     {"eps", false, 1e-8},
                     flag("amsgrad", false),
                     flag("decoupled", false)},
      .prepare = [](Tape& setup, const std::vector<Variable>& given, const Attributes&) -> OpRun {
        setup.begin("adam");
        Context& context = setup.context();
        const SpanTable spans(context, given[0].value.count(), given[5].value, given[6].value);
        const StepTables tables(context, spans, given[7].value, given[8].value, given[9].value,
                                given[10].value);
        return [tables](Tape& tape, const std::vector<Variable>& in, const Attributes& a) {
          const AdamRule rule{a.at("beta1"), a.at("beta2"), a.at("eps"), a.at("amsgrad") != 0,
                              a.at("decoupled") != 0};
          return constants(tape, adam_step(tape, tables, in[0].value, in[1].value, in[2].value, in[3].value,
                                           in[4].value, rule));
        };
      },
      .cases = {step_case("no spans", 5, {}, {}, 0, {}), step_case("one", 1, {0, 1}, {1, 0}, 0, {}),
                first_step({}), no_gradient(), step_case("adam", 37, {0, 37}, {1, 0.125}, 3, {}),
                step_case("amsgrad", 37, {0, 37}, {1, 0.125}, 3,
                          {{"amsgrad", 1}, {"beta1", 0.5}, {"beta2", 0.75}}),
                step_case("adamw", 37, {0, 37}, {1, 0.125}, 3, {{"decoupled", 1}}),
                step_case("amsgrad decoupled", 37, {0, 37}, {1, 0.125}, 3,
                          {{"amsgrad", 1}, {"decoupled", 1}}),
                step_case("late", 37, {0, 37}, {1, 0.125}, 1000000, {}),
                step_case("groups with gaps", 101, {64, 30, 0, 33, 95, 1}, {2, 0, 1, 0.125, 0, 1}, 3, {}),
                step_case("clipped", 37, {0, 37}, {1, 0.125}, 3, {}, 0.375),
                step_case("guarded", 37, {0, 37}, {1, 0.125}, 3, {{"amsgrad", 1}}, 1, NAN),
                step_case("guarded by infinity", 37, {0, 37}, {1, 0.125}, 3, {}, 1, -INFINITY),
                step_case("large", 300007, {0, 100001, 100003, 200004}, {1, 0.125, 2, 0}, 3, {}),
                step_case("large amsgrad", 300007, {0, 300007}, {1, 0}, 3, {{"amsgrad", 1}})},
      .floor = [](const std::vector<Shape>& in, const Attributes& a,
                  int) { return Adam<Device::cpu>::floor(in[0].count(), a.at("amsgrad") != 0); },
      .devices = devices_with_gpu(),
      .versions = true,
  };
}

}  // namespace saccade
