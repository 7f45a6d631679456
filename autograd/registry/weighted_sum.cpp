#include "autograd/functions/loss.h"
#include "autograd/registry/registry.h"
#include "kernels/elementwise/axpy.h"

namespace saccade {

Op weighted_sum_op() {
  return {
      .name = "weighted_sum",
      .contract = "kernels/elementwise/axpy.h",
      .inputs = {{"a"}, {"b"}},
      .outputs = {{"y"}},
      .attributes = {{"weight_a", false, 1}, {"weight_b", false, 1}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        return {weighted_sum(tape, in, {a.at("weight_a"), a.at("weight_b")})};
      },
      .cases = {{.name = "empty", .inputs = {{{0, 3}}, {{0, 3}}}},
                {.name = "losses",
                 .inputs = {{{1}}, {{1}}},
                 .attributes = {{"weight_a", 0.5}, {"weight_b", 2}}},
                {.name = "odd", .inputs = {{{3, 5, 7}}, {{3, 5, 7}}}, .attributes = {{"weight_a", -0.3}}},
                {.name = "nothing of one", .inputs = {{{9}}, {{9}}}, .attributes = {{"weight_b", 0}}},
                {.name = "large",
                 .inputs = {{{257, 1031}}, {{257, 1031}}},
                 .attributes = {{"weight_a", 0.1}},
                 .small = false}},
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int element) { return Axpy<Device::cpu>::floor(in[0].count(), element); },
      .devices = devices_with_gpu(),
      .versions = true,
  };
}

}  // namespace saccade
