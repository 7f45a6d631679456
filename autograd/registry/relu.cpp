#include "kernels/activation/relu.h"
#include "autograd/functions/activation.h"
#include "autograd/registry/registry.h"

namespace saccade {

Op relu_op() {
  return {
      .name = "relu",
      .contract = "kernels/activation/relu.h",
      .inputs = {{"x"}},
      .outputs = {{"y"}},
      .attributes = {},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
        return {relu(tape, in[0])};
      },
      .cases = {{.name = "empty", .inputs = {{{0}}}},
                {.name = "one", .inputs = {{{1}}}},
                {.name = "odd", .inputs = {{{3, 5, 7}}}},
                {.name = "zeros", .inputs = {{{9}, {Fill::constant}}}, .kink = true},
                {.name = "large", .inputs = {{{257, 1031}}}, .small = false}},
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int element) { return Relu<Device::cpu>::floor(in[0].count(), element); },
      .devices = devices_with_gpu(),
  };
}

}  // namespace saccade
