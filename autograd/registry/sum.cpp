#include "kernels/elementwise/sum.h"
#include "autograd/functions/elementwise.h"
#include "autograd/registry/cases.h"

namespace saccade {

Op sum_op() {
  return {
      .name = "sum",
      .contract = "kernels/elementwise/sum.h",
      .inputs = {{"x"}},
      .outputs = {{"y"}},
      .attributes = {{"over", false, 0}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        check_input(a.at("over") == 0 || a.at("over") == 1 || a.at("over") == 2,
                    "sum: over is 0 (all), 1 (last) or 2 (leading)");
        return {sum(tape, in[0], static_cast<Over>(integer(a, "over")))};
      },
      .cases = with_cases({{.name = "empty", .inputs = {{{0, 3}}}},
                           {.name = "no rows", .inputs = {{{0, 3}}}, .attributes = {{"over", 2}}}},
                          reduction_cases()),
      .floor =
          [](const std::vector<Shape>& in, const Attributes& a, int element) {
            const bool last = a.at("over") == 1, leading = a.at("over") == 2;
            const int64_t outer = last ? in[0].rows() : 1, inner = leading ? in[0][-1] : 1;
            return Sum<Device::cpu>::floor(outer, outer * inner > 0 ? in[0].count() / (outer * inner) : 0,
                                           inner, element);
          },
      .devices = devices_with_gpu(),
      .versions = true,
  };
}

}  // namespace saccade
