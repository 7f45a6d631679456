#include "kernels/activation/sigmoid.h"
#include "autograd/functions/activation.h"
#include "autograd/registry/cases.h"

namespace saccade {

Op sigmoid_op() {
  return {
      .name = "sigmoid",
      .contract = "kernels/activation/sigmoid.h",
      .inputs = {{"x"}},
      .outputs = {{"y"}},
      .attributes = {},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
        return {sigmoid(tape, in[0])};
      },
      .cases = saturating_cases(),
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int element) { return Sigmoid<Device::cpu>::floor(in[0].count(), element); },
      .devices = devices_with_gpu(),
  };
}

}  // namespace saccade
