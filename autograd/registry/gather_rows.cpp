#include "autograd/functions/rows.h"
#include "autograd/registry/registry.h"
#include "kernels/rows/gather.h"

namespace saccade {

Op gather_rows_op() {
  return {
      .name = "gather_rows",
      .contract = "kernels/rows/gather.h",
      .inputs = {{"x"}, {"index", Kind::i64}},
      .outputs = {{"y"}},
      .attributes = {},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes&) -> std::vector<Variable> {
        return {gather_rows(tape, in[0], in[1].value)};
      },
      .check_values =
          [](Context& context, const std::vector<Tensor>& in, const Attributes&) {
            const auto index = in[1].to_host<int64_t>(context);
            if (in[0].shape().rank() >= 1)
              Gather<Device::cpu>::check_index(in[0].shape()[0], in[1].count(), index.data());
          },
      .cases = {{.name = "empty", .inputs = {{{3, 2}}, {{0}}}},
                {.name = "one", .inputs = {{{1, 1}}, {{1}, {Fill::constant, 0}}}},
                {.name = "odd", .inputs = {{{5, 7}}, {{9}, {Fill::integers, 0, 5}}}},
                {.name = "deep", .inputs = {{{4, 3, 2}}, {{3}, {Fill::integers, 0, 4}}}},
                {.name = "one row many times", .inputs = {{{3, 4}}, {{40}, {Fill::constant, 1}}}},
                {.name = "large",
                 .inputs = {{{1000, 129}}, {{3000}, {Fill::integers, 0, 1000}}},
                 .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes&, int element) {
            const int64_t width = in[0][0] ? in[0].count() / in[0][0] : 0;
            return Gather<Device::cpu>::floor(in[1].count(), in[1].count(), width, element);
          },
      .devices = devices_with_gpu(),
      .versions = true,
      .plain_backward = true,
  };
}

}  // namespace saccade
