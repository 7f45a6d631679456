#include "autograd/functions/rows.h"
#include "autograd/registry/registry.h"
#include "kernels/rows/copy_rows.h"

namespace saccade {

Op concat_op() {
  return {
      .name = "concat",
      .contract = "kernels/rows/copy_rows.h",
      .inputs = {{"a"}, {"b"}, {"c"}},
      .outputs = {{"y"}},
      .attributes = {},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
        return {concat(tape, in)};
      },
      .cases = {{.name = "empty", .inputs = {{{0, 2}}, {{0, 3}}, {{0, 1}}}},
                {.name = "one", .inputs = {{{1}}, {{1}}, {{1}}}},
                {.name = "odd", .inputs = {{{3, 5, 2}}, {{3, 5, 7}}, {{3, 5, 1}}}},
                {.name = "no columns", .inputs = {{{3, 2}}, {{3, 0}}, {{3, 1}}}},
                {.name = "large", .inputs = {{{1000, 64}}, {{1000, 129}}, {{1000, 7}}}, .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes&, int element) {
            return CopyRows<Device::cpu>::floor(in[0].rows(), in[0][-1] + in[1][-1] + in[2][-1], element);
          },
      .devices = devices_with_gpu(),
  };
}

}  // namespace saccade
