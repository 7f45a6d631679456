#include "autograd/functions/rows.h"
#include "autograd/registry/registry.h"
#include "kernels/rows/gather.h"

namespace saccade {

Op scatter_add_rows_op() {
  return {
      .name = "scatter_add_rows",
      .contract = "kernels/rows/gather.h",
      .inputs = {{"x"}, {"index", Kind::i64}},
      .outputs = {{"y"}},
      .attributes = {{"rows"}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        return {scatter_add_rows(tape, in[0], in[1].value, integer(a, "rows"))};
      },
      .check_values =
          [](Context& context, const std::vector<Tensor>& in, const Attributes& a) {
            const auto index = in[1].to_host<int64_t>(context);
            Gather<Device::cpu>::check_index(integer(a, "rows"), in[1].count(), index.data());
          },
      .cases =
          {{.name = "empty", .inputs = {{{0, 2}}, {{0}}}, .attributes = {{"rows", 3}}},
           {.name = "one", .inputs = {{{1, 1}}, {{1}, {Fill::constant, 0}}}, .attributes = {{"rows", 1}}},
           {.name = "odd", .inputs = {{{9, 7}}, {{9}, {Fill::integers, 0, 5}}}, .attributes = {{"rows", 5}}},
           {.name = "all to one",
            .inputs = {{{40, 4}}, {{40}, {Fill::constant, 1}}},
            .attributes = {{"rows", 3}}},
           {.name = "large",
            .inputs = {{{3000, 129}}, {{3000}, {Fill::integers, 0, 1000}}},
            .attributes = {{"rows", 1000}},
            .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes& a, int element) {
            const int64_t width = in[0][0] ? in[0].count() / in[0][0] : 0;
            return Gather<Device::cpu>::floor(integer(a, "rows"), in[1].count(), width, element);
          },
      .devices = devices_with_gpu(),
      .versions = true,
      .plain_backward = true,
  };
}

}  // namespace saccade
