#include "autograd/functions/elementwise.h"
#include "autograd/registry/registry.h"
#include "kernels/elementwise/set_all.h"

namespace saccade {

Op fill_op() {
  return {
      .name = "fill",
      .contract = "kernels/elementwise/set_all.h",
      .inputs = {{.name = "x", .differentiable = false}},  // only its shape is used
      .outputs = {{.name = "y", .differentiable = false}},
      .attributes = {{"value"}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        return {tape.constant(filled_like(tape, in[0].value, a.at("value")))};
      },
      .cases = {{.name = "empty", .inputs = {{{0, 3}}}, .attributes = {{"value", 1}}},
                {.name = "one", .inputs = {{{1}}}, .attributes = {{"value", 1}}},
                {.name = "odd", .inputs = {{{3, 5, 7}}}, .attributes = {{"value", -0.3}}},
                {.name = "zero", .inputs = {{{33}}}, .attributes = {{"value", 0}}},
                {.name = "large", .inputs = {{{257, 1031}}}, .attributes = {{"value", 2.5}}, .small = false}},
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int element) { return SetAll<Device::cpu>::floor(in[0].count(), element); },
      .devices = devices_with_gpu(),
  };
}

}  // namespace saccade
