#include "kernels/activation/tanh.h"
#include "autograd/functions/activation.h"
#include "autograd/registry/cases.h"

namespace saccade {

Op tanh_op() {
  return {
      .name = "tanh",
      .contract = "kernels/activation/tanh.h",
      .inputs = {{"x"}},
      .outputs = {{"y"}},
      .attributes = {},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
        return {tanh(tape, in[0])};
      },
      .cases = saturating_cases(),
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int element) { return Tanh<Device::cpu>::floor(in[0].count(), element); },
      .devices = devices_with_gpu(),
  };
}

}  // namespace saccade
