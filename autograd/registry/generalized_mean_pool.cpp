#include "kernels/pool/generalized_mean_pool.h"

#include "autograd/functions/pooling.h"
#include "autograd/registry/registry.h"

namespace saccade {

Op generalized_mean_pool_op() {
  return {
      .name = "generalized_mean_pool",
      .contract = "kernels/pool/generalized_mean_pool.h",
      .inputs = {{"x"}, {"p"}},
      .outputs = {{"y"}},
      .attributes = {{"epsilon", false, 1e-6}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        return {generalized_mean_pool(tape, in[0], in[1], a.at("epsilon"))};
      },
      .cases =
          {{.name = "empty", .inputs = {{{0, 4, 2, 3}}, {{1}, {Fill::constant, 3}}}},
           {.name = "one", .inputs = {{{1, 1, 1, 1}, {Fill::uniform, 0.5, 1}}, {{1}, {Fill::constant, 3}}}},
           {.name = "cube", .inputs = {{{2, 5, 3, 7}, {Fill::uniform, 0.1, 2}}, {{1}, {Fill::constant, 3}}}},
           {.name = "power",
            .inputs = {{{2, 5, 3, 70}, {Fill::uniform, 0.1, 2}}, {{1}, {Fill::constant, 4.75}}}},
           {.name = "vectors",
            .inputs = {{{2, 7, 5, 24}, {Fill::uniform, -0.5, 2}}, {{1}, {Fill::constant, 3}}},
            .attributes = {{"epsilon", 0.05}}},
           {.name = "vectors, power",
            .inputs = {{{2, 7, 5, 24}, {Fill::uniform, -0.5, 2}}, {{1}, {Fill::constant, 2.5}}},
            .attributes = {{"epsilon", 0.05}}},
           {.name = "mean", .inputs = {{{3, 4, 5}, {Fill::uniform, 0.1, 2}}, {{1}, {Fill::constant, 1}}}},
           {.name = "clamped",
            .inputs = {{{2, 3, 3, 5}, {Fill::values, 0, 1, {-1, 0.3, -0.2, 1.5, 0.7, -3, 0}}},
                       {{1}, {Fill::constant, 3}}},
            .attributes = {{"epsilon", 0.01}}},
           {.name = "all clamped",
            .inputs = {{{1, 2, 3, 4}, {Fill::constant, -1}}, {{1}, {Fill::constant, 3}}}},
           {.name = "all clamped, power",
            .inputs = {{{1, 2, 3, 4}, {Fill::constant, -2}}, {{1}, {Fill::constant, 2.5}}}},
           {.name = "large",
            .inputs = {{{8, 16, 8, 512}, {Fill::uniform, -0.5, 2}}, {{1}, {Fill::constant, 3}}},
            .small = false},
           {.name = "large power",
            .inputs = {{{8, 16, 8, 512}, {Fill::uniform, -0.5, 2}}, {{1}, {Fill::constant, 2.5}}},
            .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes&, int element) {
            const int64_t outputs = in[0][0] * in[0][-1];
            return GeneralizedMeanPool<Device::cpu>::floor(in[0][0], outputs ? in[0].count() / outputs : 0,
                                                           in[0][-1], element);
          },
      .devices = devices_with_gpu(),
      .versions = true,
      .plain_backward = true,
  };
}

}  // namespace saccade
