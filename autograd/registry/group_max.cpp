#include "kernels/attention/group_max.h"

#include "autograd/functions/attention.h"
#include "autograd/registry/registry.h"

namespace saccade {

Op group_max_op() {
  return {
      .name = "group_max",
      .contract = "kernels/attention/group_max.h",
      .inputs = {{"features"}, {"keep", Kind::u8}},
      .outputs = {{"output"}},
      .attributes = {{"groups"}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        return {group_max(tape, in[0], in[1].value, integer(a, "groups"))};
      },
      .cases = {{.name = "empty", .inputs = {{{0, 2, 2, 6}}, {{0, 3}}}, .attributes = {{"groups", 3}}},
                {.name = "one",
                 .inputs = {{{1, 1, 1, 1}}, {{1, 1}, {Fill::constant, 1}}},
                 .attributes = {{"groups", 1}}},
                {.name = "odd",
                 .inputs = {{{2, 3, 5, 21}}, {{2, 7}, {Fill::integers, 0, 2}}},
                 .attributes = {{"groups", 7}}},
                {.name = "all kept",
                 .inputs = {{{2, 3, 2, 52}}, {{2, 13}, {Fill::constant, 1}}},
                 .attributes = {{"groups", 13}}},
                {.name = "all masked",
                 .inputs = {{{2, 3, 2, 12}}, {{2, 3}, {Fill::constant, 0}}},
                 .attributes = {{"groups", 3}}},
                {.name = "negative",
                 .inputs = {{{2, 3, 2, 12}, {Fill::uniform, -2, -1}},
                            {{2, 3}, {Fill::values, 0, 1, {0, 1, 1, 1, 0, 7}}}},
                 .attributes = {{"groups", 3}}},
                {.name = "ties",
                 .inputs = {{{2, 3, 5, 20}, {Fill::integers, -1, 1}}, {{2, 5}, {Fill::integers, 0, 2}}},
                 .attributes = {{"groups", 5}},
                 .kink = true},
                {.name = "extreme",
                 .inputs = {{{1, 1, 2, 6}, {Fill::values, 0, 1, {3e38, -3e38, 1e-42, -1e-42, 0}}},
                            {{1, 3}, {Fill::constant, 1}}},
                 .attributes = {{"groups", 3}},
                 .kink = true},
                {.name = "large",
                 .inputs = {{{4, 24, 8, 448}}, {{4, 7}, {Fill::integers, 0, 2}}},
                 .attributes = {{"groups", 7}},
                 .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes& a, int element) {
            const int64_t groups = integer(a, "groups");
            return GroupMax<Device::cpu>::floor(in[0][0], in[0][1] * in[0][2], groups, in[0][3] / groups,
                                                element);
          },
      .devices = devices_with_gpu(),
      .versions = true,
      .plain_backward = true,
  };
}

}  // namespace saccade
