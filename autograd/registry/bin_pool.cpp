#include "kernels/pool/bin_pool.h"

#include "autograd/functions/attention.h"
#include "autograd/registry/registry.h"

namespace saccade {

Op bin_pool_op() {
  return {
      .name = "bin_pool",
      .contract = "kernels/pool/bin_pool.h",
      .inputs = {{"features"}, {"corner", Kind::i32}},
      .outputs = {{"output"}},
      .attributes = {{"bin_t"}, {"bin_h"}, {"bin_w"}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        return {bin_pool(tape, in[0], in[1].value, integer(a, "bin_t"), integer(a, "bin_h"),
                         integer(a, "bin_w"))};
      },
      .check_values =
          [](Context& context, const std::vector<Tensor>& in, const Attributes& a) {
            const Shape& s = in[0].shape();
            if (s.rank() != 5 || in[1].shape() != Shape{s[0], 3}) return;  // the op refuses it
            const BinPoolShape shape{
                s[0], s[1], s[2], s[3], s[4], integer(a, "bin_t"), integer(a, "bin_h"), integer(a, "bin_w")};
            const auto corner = in[1].to_host<int32_t>(context);
            for (int64_t n = 0; n < s[0]; ++n) shape.check_corner(n, corner.data() + n * 3);
          },
      .cases = {{.name = "empty",
                 .inputs = {{{0, 2, 2, 2, 3}}, {{0, 3}}},
                 .attributes = {{"bin_t", 1}, {"bin_h", 2}, {"bin_w", 1}}},
                {.name = "one",
                 .inputs = {{{1, 1, 1, 1, 1}}, {{1, 3}, {Fill::constant, 0}}},
                 .attributes = {{"bin_t", 1}, {"bin_h", 1}, {"bin_w", 1}}},
                {.name = "odd",
                 .inputs = {{{3, 4, 5, 6, 7}}, {{3, 3}, {Fill::integers, 0, 3}}},
                 .attributes = {{"bin_t", 2}, {"bin_h", 3}, {"bin_w", 4}}},
                {.name = "corners",
                 .inputs = {{{2, 3, 4, 5, 3}}, {{2, 3}, {Fill::values, 0, 1, {0, 0, 0, 2, 3, 4}}}},
                 .attributes = {{"bin_t", 1}, {"bin_h", 1}, {"bin_w", 1}}},
                {.name = "whole volume",
                 .inputs = {{{2, 3, 4, 5, 3}}, {{2, 3}, {Fill::constant, 0}}},
                 .attributes = {{"bin_t", 3}, {"bin_h", 4}, {"bin_w", 5}}},
                {.name = "extreme",
                 .inputs = {{{1, 2, 2, 2, 2}, {Fill::values, 0, 1, {1e30, -1e30, 1e-42}}},
                            {{1, 3}, {Fill::constant, 0}}},
                 .attributes = {{"bin_t", 2}, {"bin_h", 2}, {"bin_w", 2}},
                 .kink = true},
                {.name = "large",
                 .inputs = {{{4, 8, 16, 8, 256}}, {{4, 3}, {Fill::integers, 0, 4}}},
                 .attributes = {{"bin_t", 4}, {"bin_h", 8}, {"bin_w", 4}},
                 .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes& a, int element) {
            return BinPool<Device::cpu>::forward_floor(
                {in[0][0], in[0][1], in[0][2], in[0][3], in[0][4], integer(a, "bin_t"), integer(a, "bin_h"),
                 integer(a, "bin_w")},
                element);
          },
      .devices = devices_with_gpu(),
      .versions = true,
  };
}

}  // namespace saccade
