#include "kernels/pool/region_pool.h"

#include "autograd/functions/pooling.h"
#include "autograd/registry/registry.h"

namespace saccade {

Op region_pool_op() {
  return {
      .name = "region_pool",
      .contract = "kernels/pool/region_pool.h",
      .inputs = {{"x"}},
      .outputs = {{"y"}},
      .attributes = {{"stripes"}, {"levels", false, 1}, flag("average", true), flag("maximum", true)},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        check_input(in[0].shape().rank() == 4, "region_pool: x has shape ", in[0].shape().text(),
                    ", not [N,H,W,C]");
        const auto bands = pyramid_bands(in[0].shape()[1], integer(a, "stripes"), integer(a, "levels"));
        return {region_pool(tape, in[0], bands, a.at("average") != 0, a.at("maximum") != 0)};
      },
      .cases =
          {{.name = "empty", .inputs = {{{0, 4, 2, 3}}}, .attributes = {{"stripes", 2}}},
           {.name = "one", .inputs = {{{1, 1, 1, 1}}}, .attributes = {{"stripes", 1}}},
           {.name = "pyramid", .inputs = {{{2, 12, 3, 5}}}, .attributes = {{"stripes", 6}, {"levels", 6}}},
           {.name = "uneven stripes",
            .inputs = {{{2, 7, 3, 67}}},
            .attributes = {{"stripes", 3}, {"maximum", 0}}},
           {.name = "vectors", .inputs = {{{2, 24, 4, 40}}}, .attributes = {{"stripes", 6}, {"levels", 6}}},
           {.name = "several blocks",
            .inputs = {{{2, 19, 31, 8}}},
            .attributes = {{"stripes", 4}, {"levels", 2}}},
           {.name = "maximum",
            .inputs = {{{1, 7, 3, 4}}},
            .attributes = {{"stripes", 3}, {"levels", 2}, {"average", 0}}},
           {.name = "ties",
            .inputs = {{{2, 6, 4, 4}, {Fill::integers, -2, 1}}},
            .attributes = {{"stripes", 3}, {"levels", 3}},
            .kink = true},
           {.name = "large",
            .inputs = {{{4, 24, 8, 512}}},
            .attributes = {{"stripes", 6}, {"levels", 6}},
            .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes& a, int element) {
            const auto bands = pyramid_bands(in[0][1], integer(a, "stripes"), integer(a, "levels"));
            return RegionPool<Device::cpu>::floor(
                {in[0][0], in[0][1], in[0][2], in[0][3], bands.data(), static_cast<int64_t>(bands.size()),
                 a.at("average") != 0, a.at("maximum") != 0},
                element);
          },
      .devices = devices_with_gpu(),
      .versions = true,
      .plain_backward = true,
  };
}

}  // namespace saccade
