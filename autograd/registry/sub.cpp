#include "autograd/functions/elementwise.h"
#include "autograd/registry/registry.h"
#include "kernels/elementwise/arithmetic.h"

namespace saccade {

Op sub_op() {
  return {
      .name = "sub",
      .contract = "kernels/elementwise/arithmetic.h",
      .inputs = {{"a"}, {"b"}},
      .outputs = {{"y"}},
      .attributes = {},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
        return {sub(tape, in[0], in[1])};
      },
      .cases = {{.name = "empty", .inputs = {{{0, 3}}, {{0, 3}}}},
                {.name = "one", .inputs = {{{1}}, {{1}}}},
                {.name = "odd", .inputs = {{{3, 5, 7}}, {{3, 5, 7}}}},
                {.name = "large", .inputs = {{{257, 1031}}, {{257, 1031}}}, .small = false}},
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int element) { return Arithmetic<Device::cpu>::floor(in[0].count(), 2, element); },
      .devices = devices_with_gpu(),
  };
}

}  // namespace saccade
