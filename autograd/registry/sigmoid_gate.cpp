#include "kernels/attention/sigmoid_gate.h"

#include "autograd/functions/attention.h"
#include "autograd/registry/registry.h"

namespace saccade {

Op sigmoid_gate_op() {
  return {
      .name = "sigmoid_gate",
      .contract = "kernels/attention/sigmoid_gate.h",
      .inputs = {{"feature"}, {"logits"}, {"bias"}},
      .outputs = {{"output"}},
      .attributes = {},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
        return {sigmoid_gate(tape, in[0], in[1], in[2])};
      },
      .cases = {{.name = "empty", .inputs = {{{0, 2, 2, 3}}, {{0, 2, 2, 3}}, {{3}}}},
                {.name = "one", .inputs = {{{1, 1, 1, 1}}, {{1, 1, 1, 1}}, {{1}}}},
                {.name = "odd", .inputs = {{{2, 3, 5, 7}}, {{2, 3, 5, 7}}, {{7}}}},
                {.name = "wide",
                 .inputs = {{{1, 3, 3, 67}}, {{1, 3, 3, 67}, {Fill::uniform, -15, 15}}, {{67}}}},
                {.name = "extreme",
                 .inputs = {{{1, 2, 2, 3}, {Fill::values, 0, 1, {1e30, -1e-30, 0, 2}}},
                            {{1, 2, 2, 3}, {Fill::values, 0, 1, {100, -100, 1000, -1000, 3e38, -3e38}}},
                            {{3}, {Fill::constant, 0}}},
                 .kink = true},
                {.name = "large", .inputs = {{{4, 24, 8, 256}}, {{4, 24, 8, 256}}, {{256}}}, .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes&, int element) {
            return SigmoidGate<Device::cpu>::forward_floor(in[0].rows(), in[0][-1], element);
          },
      .devices = devices_with_gpu(),
      .versions = true,
      .plain_backward = true,
  };
}

}  // namespace saccade
