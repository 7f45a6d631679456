#include <cmath>

#include "autograd/functions/optimizer_step.h"
#include "autograd/registry/registry.h"

namespace saccade {

namespace {

CaseInput one(double value) {
  return {{1}, {Fill::constant, value}};
}

// `spans` and `scales` as numbers; the rest of the arena stays as it is.
Case step_case(const std::string& name, int64_t parameters, std::vector<double> spans,
               std::vector<double> scales, double step, Attributes attributes, double clip = 1,
               double guard = 0) {
  const int64_t count = static_cast<int64_t>(spans.size() / 2);
  return {.name = name,
          .inputs = {{{parameters}},
                     {{parameters}},
                     {{parameters}},
                     {{count, 2}, {Fill::values, 0, 1, std::move(spans)}},
                     {{count, 2}, {Fill::values, 0, 1, std::move(scales)}},
                     one(0x1p-5),
                     one(clip),
                     one(guard),
                     one(step)},
          .attributes = std::move(attributes),
          .small = parameters < 100000};
}

// The arena is f32 where the network computes in bf16.
Port arena(const char* name) {
  return {.name = name, .differentiable = false, .stays_f32 = true};
}

}  // namespace

Op sgd_op() {
  return {
      .name = "sgd",
      .contract = "kernels/optimizer/sgd.h",
      .inputs = {arena("grads"),
                 arena("values"),
                 arena("velocity"),
                 {"spans", Kind::i64},
                 arena("scales"),
                 arena("rate"),
                 arena("clip"),
                 arena("guard"),
                 {"step", Kind::i64}},
      .outputs = {arena("new_values"), arena("new_velocity")},
      .attributes = {{"momentum", false, 0}, flag("nesterov", false)},
      .prepare = [](Tape& setup, const std::vector<Variable>& given, const Attributes&) -> OpRun {
        setup.begin("sgd");
        Context& context = setup.context();
        const SpanTable spans(context, given[0].value.count(), given[3].value, given[4].value);
        const StepTables tables(context, spans, given[5].value, given[6].value, given[7].value,
                                given[8].value);
        return [tables](Tape& tape, const std::vector<Variable>& in, const Attributes& a) {
          return constants(tape, sgd_step(tape, tables, in[0].value, in[1].value, in[2].value,
                                          a.at("momentum"), a.at("nesterov") != 0));
        };
      },
      .cases = {step_case("no spans", 5, {}, {}, 0, {}), step_case("one", 1, {0, 1}, {1, 0}, 0, {}),
                step_case("plain", 37, {0, 37}, {1, 0.125}, 3, {}),
                step_case("first step", 37, {0, 37}, {1, 0.125}, 0, {{"momentum", 0.9}}),
                step_case("momentum", 37, {0, 37}, {1, 0.125}, 3, {{"momentum", 0.9}}),
                step_case("nesterov", 37, {0, 37}, {1, 0.125}, 3, {{"momentum", 0.9}, {"nesterov", 1}}),
                step_case("groups with gaps", 101, {64, 30, 0, 33, 95, 1}, {2, 0, 1, 0.125, 0, 1}, 3,
                          {{"momentum", 0.9}}),
                step_case("clipped", 37, {0, 37}, {1, 0.125}, 3, {{"momentum", 0.9}}, 0.375),
                step_case("guarded", 37, {0, 37}, {1, 0.125}, 3, {{"momentum", 0.9}}, 1, NAN),
                step_case("guarded by infinity", 37, {0, 37}, {1, 0.125}, 0, {{"momentum", 0.9}}, 1,
                          INFINITY),
                step_case("large", 300007, {0, 100001, 100003, 200004}, {1, 0.125, 2, 0}, 3,
                          {{"momentum", 0.9}})},
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int) { return Sgd<Device::cpu>::floor(in[0].count()); },
      .devices = devices_with_gpu(),
      .versions = true,
  };
}

}  // namespace saccade
