#include "autograd/functions/elementwise.h"
#include "autograd/registry/registry.h"
#include "kernels/elementwise/arithmetic.h"
#include "kernels/elementwise/broadcast.h"

namespace saccade {

static const Registration registration{{
    .name = "mul",
    .inputs = {{"a"}, {"b"}},
    .outputs = {{"y"}},
    .attributes = {},
    .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
      return {mul(tape, in[0], in[1])};
    },
    .cases = {{.name = "empty", .inputs = {{{0, 3}}, {{0, 3}}}},
              {.name = "one", .inputs = {{{1}}, {{1}}}},
              {.name = "odd", .inputs = {{{3, 5, 7}}, {{3, 5, 7}}}},
              {.name = "bias", .inputs = {{{3, 5, 7}}, {{7}}}},
              {.name = "scalar", .inputs = {{{3, 5, 7}}, {{1}}}},
              {.name = "gate", .inputs = {{{3, 5, 4, 7}}, {{3, 1, 1, 7}}}},
              {.name = "map", .inputs = {{{3, 5, 4, 7}}, {{3, 5, 4, 1}}}},
              {.name = "sample", .inputs = {{{3, 5, 4, 2}}, {{3, 1, 1, 1}}}},
              {.name = "no rows", .inputs = {{{0, 7}}, {{7}}}},
              {.name = "large bias", .inputs = {{{4, 64, 32, 67}}, {{67}}}, .small = false},
              {.name = "large scalar", .inputs = {{{1, 300000}}, {{1}}}, .small = false},
              {.name = "large", .inputs = {{{257, 1031}}, {{257, 1031}}}, .small = false}},
    .floor =
        [](const std::vector<Shape>& in, const Attributes&, int element) {
          if (in[0] == in[1]) return Arithmetic<Device::cpu>::floor(in[0].count(), 2, element);
          return Broadcast<Device::cpu>::floor(broadcast_shape("mul", in[0], in[1]), element);
        },
    .devices = devices_with_gpu(),
}};

}  // namespace saccade
