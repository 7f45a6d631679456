#include "autograd/functions/linear.h"

#include "autograd/registry/registry.h"
#include "kernels/matmul/matmul.h"

namespace saccade {

Op linear_op() {
  return {
      .name = "linear",
      .contract = "kernels/matmul/matmul.h",
      .inputs = {{"x"}, {"weight"}, {"bias"}},
      .outputs = {{"y"}},
      .attributes = {flag("relu", false)},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        return {linear(tape, in[0], in[1], &in[2], a.at("relu") != 0)};
      },
      .cases = {{.name = "no rows", .inputs = {{{0, 3}}, {{4, 3}}, {{4}}}},
                {.name = "one", .inputs = {{{1, 1}}, {{1, 1}}, {{1}}}},
                {.name = "odd", .inputs = {{{5, 7}}, {{3, 7}}, {{3}}}},
                {.name = "relu", .inputs = {{{5, 7}}, {{3, 7}}, {{3}}}, .attributes = {{"relu", 1}}},
                {.name = "tokens", .inputs = {{{2, 5, 7}}, {{3, 7}}, {{3}}}},
                {.name = "rank 4", .inputs = {{{2, 3, 4, 5}}, {{6, 5}}, {{6}}}, .attributes = {{"relu", 1}}},
                {.name = "embedding", .inputs = {{{64, 2048}}, {{751, 2048}}, {{751}}}, .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes&, int element) {
            return Matmul<Device::cpu>::floor({in[0].rows(), in[1][0], in[1][1]}, element);
          },
      .devices = devices_with_gpu(),
      .library = true,
      .versions = true,
      .plain_backward = true,
  };
}

}  // namespace saccade
