#include "autograd/functions/rows.h"
#include "autograd/registry/registry.h"
#include "kernels/rows/copy_rows.h"

namespace saccade {

Op split_op() {
  return {
      .name = "split",
      .contract = "kernels/rows/copy_rows.h",
      .inputs = {{"x"}},
      .outputs = {{"first"}, {"second"}},
      .attributes = {{"at"}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        check_input(in[0].shape().rank() >= 1, "split: x has no dimension");
        const int64_t at = integer(a, "at");
        return split(tape, in[0], {at, in[0].shape()[-1] - at});
      },
      .cases = {{.name = "empty", .inputs = {{{0, 3}}}, .attributes = {{"at", 1}}},
                {.name = "one", .inputs = {{{1}}}, .attributes = {{"at", 1}}},
                {.name = "odd", .inputs = {{{3, 5, 7}}}, .attributes = {{"at", 2}}},
                {.name = "all", .inputs = {{{3, 5}}}, .attributes = {{"at", 0}}},
                {.name = "large", .inputs = {{{1000, 129}}}, .attributes = {{"at", 64}}, .small = false}},
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int element) { return CopyRows<Device::cpu>::floor(in[0].rows(), in[0][-1], element); },
      .devices = devices_with_gpu(),
  };
}

}  // namespace saccade
