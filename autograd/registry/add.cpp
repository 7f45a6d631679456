#include "autograd/functions/elementwise.h"
#include "autograd/registry/cases.h"
#include "kernels/elementwise/arithmetic.h"
#include "kernels/elementwise/broadcast.h"

namespace saccade {

Op add_op() {
  return {
      .name = "add",
      .contract = "kernels/elementwise/arithmetic.h",
      .inputs = {{"a"}, {"b"}},
      .outputs = {{"y"}},
      .attributes = {},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
        return {add(tape, in[0], in[1])};
      },
      .cases = broadcast_cases(),
      .floor =
          [](const std::vector<Shape>& in, const Attributes&, int element) {
            if (in[0] == in[1]) return Arithmetic<Device::cpu>::floor(in[0].count(), 2, element);
            return Broadcast<Device::cpu>::floor(broadcast_shape("add", in[0], in[1]), element);
          },
      .devices = devices_with_gpu(),
  };
}

}  // namespace saccade
