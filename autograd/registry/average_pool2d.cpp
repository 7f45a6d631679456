#include "kernels/pool/average_pool2d.h"

#include "autograd/functions/pooling.h"
#include "autograd/registry/registry.h"

namespace saccade {

Op average_pool2d_op() {
  return {
      .name = "average_pool2d",
      .contract = "kernels/pool/average_pool2d.h",
      .inputs = {{"x"}},
      .outputs = {{"y"}},
      .attributes = {{"kernel"}, {"stride"}, {"padding", false, 0}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        return {
            average_pool2d(tape, in[0], integer(a, "kernel"), integer(a, "stride"), integer(a, "padding"))};
      },
      .cases = {{.name = "empty", .inputs = {{{0, 4, 4, 3}}}, .attributes = {{"kernel", 2}, {"stride", 2}}},
                {.name = "one", .inputs = {{{1, 1, 1, 1}}}, .attributes = {{"kernel", 1}, {"stride", 1}}},
                {.name = "odd",
                 .inputs = {{{2, 9, 7, 5}}},
                 .attributes = {{"kernel", 3}, {"stride", 2}, {"padding", 1}}},
                {.name = "gaps", .inputs = {{{1, 11, 8, 3}}}, .attributes = {{"kernel", 2}, {"stride", 3}}},
                {.name = "overlap",
                 .inputs = {{{1, 5, 6, 17}}},
                 .attributes = {{"kernel", 4}, {"stride", 1}, {"padding", 2}}},
                {.name = "vectors",
                 .inputs = {{{2, 9, 7, 24}}},
                 .attributes = {{"kernel", 3}, {"stride", 2}, {"padding", 1}}},
                {.name = "cancelling",
                 .inputs = {{{1, 4, 4, 3}, {Fill::values, 0, 1, {1e30, -1e30, 1e-42}}}},
                 .attributes = {{"kernel", 2}, {"stride", 2}},
                 .kink = true},
                {.name = "large",
                 .inputs = {{{4, 64, 32, 64}}},
                 .attributes = {{"kernel", 2}, {"stride", 2}},
                 .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes& a, int element) {
            const Window window{in[0][0],
                                in[0][1],
                                in[0][2],
                                in[0][3],
                                integer(a, "kernel"),
                                integer(a, "stride"),
                                integer(a, "padding")};
            return AveragePool2d<Device::cpu>::floor(window, element);
          },
      .devices = devices_with_gpu(),
  };
}

}  // namespace saccade
