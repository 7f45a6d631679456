#include "kernels/elementwise/dropout.h"
#include "autograd/functions/elementwise.h"
#include "autograd/registry/registry.h"

namespace saccade {

Op dropout_op() {
  return {
      .name = "dropout",
      .contract = "kernels/elementwise/dropout.h",
      .inputs = {{"x"}},
      .outputs = {{"y"}},
      .attributes = {{"p"}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        return {dropout(tape, in[0], a.at("p"))};
      },
      .cases = {{.name = "empty", .inputs = {{{0}}}, .attributes = {{"p", 0.5}}},
                {.name = "one", .inputs = {{{1}}}, .attributes = {{"p", 0.5}}},
                {.name = "odd", .inputs = {{{3, 5, 7}}}, .attributes = {{"p", 0.3}}},
                {.name = "nothing dropped", .inputs = {{{13}}}, .attributes = {{"p", 0}}},
                {.name = "nearly all", .inputs = {{{50}}}, .attributes = {{"p", 0.999}}},
                {.name = "large", .inputs = {{{257, 1031}}}, .attributes = {{"p", 0.2}}, .small = false}},
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int element) { return Dropout<Device::cpu>::floor(in[0].count(), element); },
      .devices = devices_with_gpu(),
  };
}

}  // namespace saccade
