#include <cmath>

#include "autograd/functions/optimizer_step.h"
#include "autograd/registry/registry.h"

namespace saccade {

Op step_counter_op() {
  return {
      .name = "step_counter",
      .contract = "kernels/optimizer/step_counter.h",
      .inputs = {{"step", Kind::i64}, {.name = "guard", .differentiable = false, .stays_f32 = true}},
      .outputs = {{"new_step", Kind::i64}},
      .attributes = {},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
        return {tape.constant(counted_step(tape, in[0].value, in[1].value))};
      },
      .cases = {{.name = "counts", .inputs = {{{1}, {Fill::constant, 41}}, {{1}, {Fill::constant, 2.5}}}},
                {.name = "beyond 32 bits",
                 .inputs = {{{1}, {Fill::constant, 4294967295}}, {{1}, {Fill::constant, 0}}}},
                {.name = "stops at NaN",
                 .inputs = {{{1}, {Fill::constant, 41}}, {{1}, {Fill::constant, NAN}}}},
                {.name = "stops at infinity",
                 .inputs = {{{1}, {Fill::constant, 41}}, {{1}, {Fill::constant, -INFINITY}}}}},
      .floor = [](const std::vector<Shape>&, const Attributes&,
                  int) { return StepCounter<Device::cpu>::floor(); },
      .devices = devices_with_gpu(),
  };
}

}  // namespace saccade
