#include "kernels/loss/cross_entropy.h"

#include "autograd/functions/loss.h"
#include "autograd/registry/registry.h"

namespace saccade {

Op cross_entropy_op() {
  return {
      .name = "cross_entropy",
      .contract = "kernels/loss/cross_entropy.h",
      .inputs = {{"logits"}, {"labels", Kind::i64}},
      .outputs = {{"loss", Kind::floating, true, true}},
      .attributes = {{"smoothing", false, 0}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        return {cross_entropy(tape, in[0], in[1].value, a.at("smoothing"))};
      },
      .check_values =
          [](Context& context, const std::vector<Tensor>& in, const Attributes&) {
            const auto labels = in[1].to_host<int64_t>(context);
            if (in[0].shape().rank() == 2)  // the op refuses what does not fit
              CrossEntropy<Device::cpu>::check_labels(in[1].count(), in[0].shape()[1], labels.data());
          },
      .cases = {{.name = "no rows", .inputs = {{{0, 3}}, {{0}}}},
                {.name = "one class", .inputs = {{{2, 1}}, {{2}, {Fill::constant, 0}}}},
                {.name = "odd", .inputs = {{{5, 7}}, {{5}, {Fill::integers, 0, 7}}}},
                {.name = "smoothed",
                 .inputs = {{{5, 7}}, {{5}, {Fill::integers, 0, 7}}},
                 .attributes = {{"smoothing", 0.1}}},
                {.name = "vectors",
                 .inputs = {{{5, 304}}, {{5}, {Fill::integers, 0, 304}}},
                 .attributes = {{"smoothing", 0.1}}},
                {.name = "unaligned",
                 .inputs = {{{5, 301}}, {{5}, {Fill::integers, 0, 301}}},
                 .attributes = {{"smoothing", 0.1}}},
                {.name = "many rows", .inputs = {{{2100, 3}}, {{2100}, {Fill::integers, -1, 3}}}},
                {.name = "some ignored",
                 .inputs = {{{6, 4}}, {{6}, {Fill::values, 0, 0, {3, -1, 0, -1, 2, 1}}}},
                 .attributes = {{"smoothing", 0.1}}},
                {.name = "all ignored", .inputs = {{{3, 4}}, {{3}, {Fill::constant, -1}}}},
                {.name = "extreme",
                 .inputs = {{{4, 5}, {Fill::normal, 0, 80}}, {{4}, {Fill::integers, 0, 5}}},
                 .kink = true},
                {.name = "large",
                 .inputs = {{{64, 751}}, {{64}, {Fill::integers, 0, 751}}},
                 .attributes = {{"smoothing", 0.1}},
                 .small = false}},
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int element) { return CrossEntropy<Device::cpu>::floor(in[0][0], in[0][1], element); },
      .devices = devices_with_gpu(),
      .versions = true,
  };
}

}  // namespace saccade
