#include "autograd/functions/rows.h"
#include "autograd/registry/registry.h"
#include "kernels/rows/transpose.h"

namespace saccade {

Op transpose2d_op() {
  return {
      .name = "transpose2d",
      .contract = "kernels/rows/transpose.h",
      .inputs = {{"x"}},
      .outputs = {{"y"}},
      .attributes = {},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
        return {transpose2d(tape, in[0])};
      },
      .cases = {{.name = "empty", .inputs = {{{0, 3}}}},
                {.name = "one", .inputs = {{{1, 1}}}},
                {.name = "odd", .inputs = {{{19, 35}}}},
                {.name = "large", .inputs = {{{257, 1031}}}, .small = false}},
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int element) { return Transpose<Device::cpu>::floor(in[0].count(), element); },
      .devices = devices_with_gpu(),
      .versions = true,
      .plain_backward = true,
  };
}

}  // namespace saccade
