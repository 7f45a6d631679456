#include "kernels/activation/gelu.h"
#include "autograd/functions/activation.h"
#include "autograd/registry/cases.h"

namespace saccade {

Op gelu_op() {
  return {
      .name = "gelu",
      .contract = "kernels/activation/gelu.h",
      .inputs = {{"x"}},
      .outputs = {{"y"}},
      .attributes = {},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
        return {gelu(tape, in[0])};
      },
      .cases = saturating_cases(),
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int element) { return Gelu<Device::cpu>::floor(in[0].count(), element); },
      .devices = devices_with_gpu(),
  };
}

}  // namespace saccade
