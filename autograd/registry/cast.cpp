#include "autograd/functions/cast.h"

#include "autograd/registry/registry.h"
#include "kernels/elementwise/cast.h"

namespace saccade {

// The value to f32 and its gradient back to bf16: a cast each way. In the other dtypes there is nothing to do.
Op cast_op() {
  return {
      .name = "cast",
      .contract = "kernels/elementwise/cast.h",
      .inputs = {{"x"}},
      .outputs = {{"y", Kind::floating, true, true}},
      .attributes = {},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
        return {in_f32(tape, in[0])};
      },
      .cases = {{.name = "empty", .inputs = {{{0, 3}}}},
                {.name = "one", .inputs = {{{1}}}},
                {.name = "odd", .inputs = {{{3, 5, 7}}}},
                {.name = "extreme",
                 .inputs = {{{9}, {Fill::values, 0, 1, {1e30, -1e-30, 0, 3e38, -65504}}}},
                 .kink = true},
                {.name = "large", .inputs = {{{513, 1025}}}, .small = false}},
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int element) { return Cast<Device::cpu>::floor(in[0].count(), element, 4); },
      .devices = devices_with_gpu(),
  };
}

}  // namespace saccade
