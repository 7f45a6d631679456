#include "autograd/functions/rows.h"
#include "autograd/registry/registry.h"
#include "kernels/rows/copy_rows.h"

namespace saccade {

Op slice_columns_op() {
  return {
      .name = "slice_columns",
      .contract = "kernels/rows/copy_rows.h",
      .inputs = {{"x"}},
      .outputs = {{"y"}},
      .attributes = {{"begin"}, {"end"}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        return {slice_columns(tape, in[0], integer(a, "begin"), integer(a, "end"))};
      },
      .cases = {{.name = "empty", .inputs = {{{0, 3}}}, .attributes = {{"begin", 1}, {"end", 2}}},
                {.name = "one", .inputs = {{{1}}}, .attributes = {{"begin", 0}, {"end", 1}}},
                {.name = "odd", .inputs = {{{3, 5, 7}}}, .attributes = {{"begin", 2}, {"end", 6}}},
                {.name = "nothing", .inputs = {{{3, 5}}}, .attributes = {{"begin", 3}, {"end", 3}}},
                {.name = "large",
                 .inputs = {{{1000, 129}}},
                 .attributes = {{"begin", 1}, {"end", 100}},
                 .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes& a, int element) {
            return CopyRows<Device::cpu>::floor(in[0].rows(), integer(a, "end") - integer(a, "begin"),
                                                element);
          },
      .devices = devices_with_gpu(),
  };
}

}  // namespace saccade
