#include "kernels/rows/l2_normalize.h"
#include "autograd/functions/rows.h"
#include "autograd/registry/registry.h"

namespace saccade {

Op l2_normalize_op() {
  return {
      .name = "l2_normalize",
      .contract = "kernels/rows/l2_normalize.h",
      .inputs = {{"x"}},
      .outputs = {{"y"}},
      .attributes = {{"epsilon", false, 1e-12}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        return {l2_normalize(tape, in[0], a.at("epsilon"))};
      },
      .cases = {{.name = "empty", .inputs = {{{0, 3}}}},
                {.name = "one", .inputs = {{{1, 1}}}, .kink = true},
                {.name = "odd", .inputs = {{{3, 5, 7}}}},
                {.name = "clamped", .inputs = {{{3, 4}}}, .attributes = {{"epsilon", 50}}},
                {.name = "zero", .inputs = {{{3, 4}, {Fill::constant, 0}}}, .kink = true},
                {.name = "extreme",
                 .inputs = {{{2, 3}, {Fill::values, 0, 1, {1e15, -1e15, 1e-15, 1e-10, 2e-10, 0}}}},
                 .kink = true},
                {.name = "large", .inputs = {{{64, 2048}}}, .small = false}},
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int element) { return L2Normalize<Device::cpu>::floor(in[0].rows(), in[0][-1], element); },
      .devices = devices_with_gpu(),
      .versions = true,
  };
}

}  // namespace saccade
