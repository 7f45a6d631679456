#include "kernels/pool/max_pool2d.h"

#include "autograd/functions/pooling.h"
#include "autograd/registry/registry.h"

namespace saccade {

Op max_pool2d_op() {
  return {
      .name = "max_pool2d",
      .contract = "kernels/pool/max_pool2d.h",
      .inputs = {{"x"}},
      .outputs = {{"y"}},
      .attributes = {{"kernel"}, {"stride"}, {"padding", false, 0}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        return {max_pool2d(tape, in[0], integer(a, "kernel"), integer(a, "stride"), integer(a, "padding"))};
      },
      .cases = {{.name = "empty", .inputs = {{{0, 4, 4, 3}}}, .attributes = {{"kernel", 2}, {"stride", 2}}},
                {.name = "one", .inputs = {{{1, 1, 1, 1}}}, .attributes = {{"kernel", 1}, {"stride", 1}}},
                {.name = "stem",
                 .inputs = {{{2, 9, 7, 5}}},
                 .attributes = {{"kernel", 3}, {"stride", 2}, {"padding", 1}}},
                {.name = "gaps", .inputs = {{{1, 11, 8, 3}}}, .attributes = {{"kernel", 2}, {"stride", 3}}},
                {.name = "all overlap",
                 .inputs = {{{1, 5, 6, 70}, {Fill::normal, -10, 1}}},
                 .attributes = {{"kernel", 5}, {"stride", 1}, {"padding", 2}}},
                {.name = "vectors",
                 .inputs = {{{2, 9, 7, 24}}},
                 .attributes = {{"kernel", 3}, {"stride", 2}, {"padding", 1}}},
                {.name = "ties",
                 .inputs = {{{2, 8, 6, 4}, {Fill::integers, -2, 1}}},
                 .attributes = {{"kernel", 3}, {"stride", 1}, {"padding", 1}},
                 .kink = true},
                {.name = "extreme",
                 .inputs = {{{1, 4, 4, 3}, {Fill::values, 0, 1, {3e38, -3e38, 1e-42, 0, -1e-42}}}},
                 .attributes = {{"kernel", 2}, {"stride", 2}},
                 .kink = true},
                {.name = "large",
                 .inputs = {{{4, 64, 32, 64}}},
                 .attributes = {{"kernel", 3}, {"stride", 2}, {"padding", 1}},
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
            return MaxPool2d<Device::cpu>::floor(window, element);
          },
      .devices = devices_with_gpu(),
      .versions = true,
      .plain_backward = true,
  };
}

}  // namespace saccade
