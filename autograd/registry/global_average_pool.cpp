#include "kernels/pool/global_average_pool.h"

#include "autograd/functions/pooling.h"
#include "autograd/registry/registry.h"

namespace saccade {

Op global_average_pool_op() {
  return {
      .name = "global_average_pool",
      .contract = "kernels/pool/global_average_pool.h",
      .inputs = {{"x"}},
      .outputs = {{"y"}},
      .attributes = {},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
        return {global_average_pool(tape, in[0])};
      },
      .cases = {{.name = "empty", .inputs = {{{0, 4, 2, 3}}}},
                {.name = "one", .inputs = {{{1, 1, 1, 1}}}},
                {.name = "odd", .inputs = {{{3, 5, 7, 9}}}},
                {.name = "video", .inputs = {{{2, 3, 5, 4, 3}}}},
                {.name = "matrix", .inputs = {{{5, 6}}}},
                {.name = "vectors", .inputs = {{{2, 7, 5, 24}}}},
                {.name = "extreme",
                 .inputs = {{{1, 3, 3, 2}, {Fill::values, 0, 1, {1e30, -1e30, 1e-42}}}},
                 .kink = true},
                {.name = "large", .inputs = {{{8, 16, 8, 2048}}}, .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes&, int element) {
            const int64_t outputs = in[0][0] * in[0][-1];
            return GlobalAveragePool<Device::cpu>::floor(in[0][0], outputs ? in[0].count() / outputs : 0,
                                                         in[0][-1], element);
          },
      .devices = devices_with_gpu(),
      .versions = true,
  };
}

}  // namespace saccade
