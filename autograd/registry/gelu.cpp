#include "kernels/activation/gelu.h"
#include "autograd/functions/activation.h"
#include "autograd/registry/registry.h"

namespace saccade {

static const Registration registration{{
    .name = "gelu",
    .inputs = {{"x"}},
    .outputs = {{"y"}},
    .attributes = {},
    .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
      return {gelu(tape, in[0])};
    },
    .cases = {{.name = "empty", .inputs = {{{0}}}},
              {.name = "one", .inputs = {{{1}}}},
              {.name = "odd", .inputs = {{{3, 5, 7}}}},
              {.name = "small", .inputs = {{{41}, {Fill::normal, 0, 1e-3}}}},
              {.name = "wide", .inputs = {{{97}, {Fill::uniform, -12, 12}}}},
              {.name = "extreme",
               .inputs = {{{9}, {Fill::values, 0, 1, {0, -0.0, 1e-42, 80, -80, 1000, -1000, 3e38, -3e38}}}},
               .kink = true},
              {.name = "large", .inputs = {{{257, 1031}, {Fill::normal, 0, 3}}}, .small = false}},
    .floor = [](const std::vector<Shape>& in, const Attributes&,
                int element) { return Gelu<Device::cpu>::floor(in[0].count(), element); },
    .devices = devices_with_gpu(),
}};

}  // namespace saccade
