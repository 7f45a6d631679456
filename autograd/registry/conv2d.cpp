#include "kernels/convolution/conv2d.h"
#include "autograd/functions/convolution.h"
#include "autograd/registry/registry.h"

namespace saccade {

namespace {

ConvolutionOptions options_of(const Attributes& a) {
  const auto at = [&](const char* name) { return static_cast<int64_t>(a.at(name)); };
  return {at("stride_h"), at("stride_w"), at("pad_h"), at("pad_w")};
}

Attributes attributes(int stride_h, int stride_w, int pad_h, int pad_w) {
  return {{"stride_h", stride_h}, {"stride_w", stride_w}, {"pad_h", pad_h}, {"pad_w", pad_w}};
}

constexpr double kWinograd = 54;
constexpr const char* kWhyWinograd =
    "on the CPU a number's rounding errors are those of the 4x4 piece that it is computed in, 24 eps S for "
    "the largest S "
    "there; at a corner of the image, where 5 of 9 taps fall outside, its own S is 4/9 of that";

}  // namespace

Op conv2d_op() {
  return {
      .name = "conv2d",
      .contract = "kernels/convolution/conv2d.h",
      .inputs = {{"x"}, {"weight"}, {"bias"}},
      .outputs = {{"y"}},
      .attributes = {{"stride_h", false, 1},
                     {"stride_w", false, 1},
                     {"pad_h", false, 0},
                     {"pad_w", false, 0}},
      .run = [](Tape& tape, const std::vector<Variable>& in, const Attributes& a) -> std::vector<Variable> {
        return {conv2d(tape, in[0], in[1], &in[2], options_of(a))};
      },
      .cases = {{.name = "1x1", .inputs = {{{2, 3, 5, 7}}, {{9, 1, 1, 7}}, {{9}}}},
                {.name = "1x1 stride 2",
                 .inputs = {{{3, 16, 8, 5}}, {{20, 1, 1, 5}}, {{20}}},
                 .attributes = attributes(2, 2, 0, 0)},
                {.name = "one pixel", .inputs = {{{1, 1, 1, 1}}, {{1, 1, 1, 1}}, {{1}}}},
                {.name = "no images", .inputs = {{{0, 4, 4, 3}}, {{5, 3, 3, 3}}, {{5}}}},
                {.name = "3x3 same",
                 .inputs = {{{2, 5, 4, 3}}, {{5, 3, 3, 3}}, {{5}}},
                 .attributes = attributes(1, 1, 1, 1)},
                {.name = "3x3 stride 2 odd",
                 .inputs = {{{1, 7, 5, 16}}, {{16, 3, 3, 16}}, {{16}}},
                 .attributes = attributes(2, 2, 1, 1)},
                {.name = "stem 7x7",
                 .inputs = {{{1, 16, 9, 3}}, {{8, 7, 7, 3}}, {{8}}},
                 .attributes = attributes(2, 2, 3, 3)},
                {.name = "unequal",
                 .inputs = {{{1, 6, 8, 4}}, {{3, 2, 5, 4}}, {{3}}},
                 .attributes = attributes(2, 3, 1, 2)},
                {.name = "padding past the filter",
                 .inputs = {{{1, 2, 2, 2}}, {{2, 2, 2, 2}}, {{2}}},
                 .attributes = attributes(1, 1, 3, 3)},
                {.name = "wide",
                 .inputs = {{{2, 16, 8, 64}}, {{96, 3, 3, 64}}, {{96}}},
                 .attributes = attributes(1, 1, 1, 1),
                 .small = false,
                 .tolerance = kWinograd,
                 .why = kWhyWinograd},
                {.name = "3x3 in cut pieces",
                 .inputs = {{{2, 9, 7, 17}}, {{20, 3, 3, 17}}, {{20}}},
                 .attributes = attributes(1, 1, 1, 1),
                 .small = false,
                 .tolerance = kWinograd,
                 .why = kWhyWinograd},
                {.name = "deep 1x1",
                 .inputs = {{{2, 16, 8, 512}}, {{128, 1, 1, 512}}, {{128}}},
                 .small = false}},
      .floor =
          [](const std::vector<Shape>& in, const Attributes& a, int element) {
            const ConvolutionOptions o = options_of(a);
            return Conv2d<Device::cpu>::floor({in[0][0], in[0][1], in[0][2], in[0][3], in[1][0], in[1][1],
                                               in[1][2], o.stride_h, o.stride_w, o.pad_h, o.pad_w},
                                              element);
          },
      .devices = devices_with_gpu(),
      .library = true,
      .versions = true,
      .plain_backward = true,
  };
}

}  // namespace saccade
