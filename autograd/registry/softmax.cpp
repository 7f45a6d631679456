#include <limits>

#include "autograd/functions/activation.h"
#include "autograd/registry/registry.h"
#include "kernels/activation/softmax.h"

namespace saccade {

Op softmax_op() {
  return {
      .name = "softmax",
      .contract = "kernels/activation/softmax.h",
      .inputs = {{"x"}},
      .outputs = {{"y"}},
      .attributes = {},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
        return {softmax(tape, in[0])};
      },
      .cases = {{.name = "no rows", .inputs = {{{0, 3}}}},
                {.name = "one", .inputs = {{{1, 1}}}},
                {.name = "odd", .inputs = {{{3, 2, 37}}}},
                {.name = "ties", .inputs = {{{4, 9}, {Fill::constant, 2}}}},
                {.name = "far apart", .inputs = {{{5, 7}, {Fill::normal, 0, 30}}}},
                {.name = "offset", .inputs = {{{5, 7}, {Fill::normal, 100, 1}}}},
                {.name = "extreme",
                 .inputs = {{{2, 4}, {Fill::values, 0, 1, {1e38, 0, -1e38, 1, -1e37, -1e37, -2e38, -3e38}}}},
                 .kink = true},
                {.name = "masked",
                 .inputs = {{{2, 3},
                             {Fill::values,
                              0,
                              1,
                              {1, -std::numeric_limits<double>::infinity(), 2, 0.5, 1,
                               -std::numeric_limits<double>::infinity()}}}},
                 .kink = true},
                {.name = "all masked",
                 .inputs = {{{2, 3}, {Fill::constant, -std::numeric_limits<double>::infinity()}}},
                 .kink = true},
                {.name = "large", .inputs = {{{64, 1501}, {Fill::normal, 0, 3}}}, .small = false}},
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int element) { return Softmax<Device::cpu>::floor(in[0].count(), element); },
      .devices = devices_with_gpu(),
      .versions = true,
  };
}

}  // namespace saccade
