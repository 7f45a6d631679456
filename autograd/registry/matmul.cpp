#include "autograd/functions/linear.h"

#include "autograd/registry/registry.h"
#include "kernels/matmul/matmul.h"

namespace saccade {

Op matmul_op() {
  return {
      .name = "matmul",
      .contract = "kernels/matmul/matmul.h",
      .inputs = {{"a"}, {"b"}},
      .outputs = {{"c"}},
      .attributes = {},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
        return {matmul(tape, in[0], in[1])};
      },
      .cases = {{.name = "empty sum", .inputs = {{{2, 0}}, {{0, 3}}}},
                {.name = "one", .inputs = {{{1, 1}}, {{1, 1}}}},
                {.name = "odd", .inputs = {{{5, 7}}, {{7, 3}}}},
                {.name = "large", .inputs = {{{129, 257}}, {{257, 65}}}, .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes&, int element) {
            return Matmul<Device::cpu>::floor({in[0][0], in[1][1], in[0][1]}, element);
          },
      .devices = devices_with_gpu(),
      .library = true,
      .versions = true,
      .plain_backward = true,
  };
}

}  // namespace saccade
