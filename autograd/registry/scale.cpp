#include "autograd/functions/elementwise.h"
#include "autograd/registry/registry.h"
#include "kernels/elementwise/arithmetic.h"

namespace saccade {

Op scale_op() {
  return {
      .name = "scale",
      .contract = "kernels/elementwise/arithmetic.h",
      .inputs = {{"x"}},
      .outputs = {{"y"}},
      .attributes = {{"factor"}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        return {scale(tape, in[0], a.at("factor"))};
      },
      .cases = {{.name = "empty", .inputs = {{{0}}}, .attributes = {{"factor", 2}}},
                {.name = "one", .inputs = {{{1}}}, .attributes = {{"factor", -0.25}}},
                {.name = "odd", .inputs = {{{3, 5, 7}}}, .attributes = {{"factor", 0.1}}},
                {.name = "zero", .inputs = {{{9}}}, .attributes = {{"factor", 0}}},
                {.name = "large", .inputs = {{{257, 1031}}}, .attributes = {{"factor", 3}}, .small = false}},
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int element) { return Arithmetic<Device::cpu>::floor(in[0].count(), 1, element); },
      .devices = devices_with_gpu(),
  };
}

}  // namespace saccade
