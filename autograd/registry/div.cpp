#include "autograd/functions/elementwise.h"
#include "autograd/registry/registry.h"
#include "kernels/elementwise/arithmetic.h"

namespace saccade {

Op div_op() {
  return {
      .name = "div",
      .contract = "kernels/elementwise/arithmetic.h",
      .inputs = {{"a"}, {"b"}},
      .outputs = {{"y"}},
      .attributes = {},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
        return {div(tape, in[0], in[1])};
      },
      .cases = {{.name = "empty", .inputs = {{{0, 3}}, {{0, 3}, {Fill::uniform, 0.5, 2}}}},
                {.name = "one", .inputs = {{{1}}, {{1}, {Fill::uniform, 0.5, 2}}}},
                {.name = "odd", .inputs = {{{3, 5, 7}}, {{3, 5, 7}, {Fill::uniform, 0.5, 2}}}},
                {.name = "extreme",
                 .inputs = {{{4}, {Fill::values, 0, 1, {1e20, -1e-20, 0, 3}}},
                            {{4}, {Fill::values, 0, 1, {1e-5, 1e5, -3, 1e20}}}},
                 .kink = true},
                {.name = "large",
                 .inputs = {{{257, 1031}}, {{257, 1031}, {Fill::uniform, 0.5, 2}}},
                 .small = false}},
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int element) { return Arithmetic<Device::cpu>::floor(in[0].count(), 2, element); },
      .devices = devices_with_gpu(),
  };
}

}  // namespace saccade
