#include "autograd/registry/registry.h"
#include "kernels/convolution/conv2d.h"
#include "kernels/norm/batch_norm.h"
#include "layers/blocks.h"

namespace saccade {

namespace {

using layers::ConvNormReluOptions;

constexpr double kTrain = BatchNormOptions::train, kEval = BatchNormOptions::eval,
                 kBatchOnly = BatchNormOptions::batch_only;

// Whole numbers, whose products and sums bf16 holds exactly as long as they are few: the map between the convolution
// and the norm is then the same on every device, and no rounding moves a value over the ReLU's corner.
const Fill whole = {Fill::integers, -2, 3}, small_weights = {Fill::integers, -1, 2};

// The inputs of a case: x, the filters, then gamma, beta, running mean and running variance.
std::vector<CaseInput> inputs_of(const Shape& x, const Shape& weight, const Fill& x_fill = whole,
                                 const Fill& weight_fill = small_weights) {
  const Shape channels{weight[0]};
  return {{x, x_fill},
          {weight, weight_fill},
          {channels, {Fill::uniform, 0.5, 1.5}},
          {channels},
          {channels},
          {channels, {Fill::uniform, 0.2, 2}}};
}

Attributes geometry(double stride, double pad, double mode = kTrain) {
  return {{"stride_h", stride}, {"stride_w", stride}, {"pad_h", pad}, {"pad_w", pad}, {"mode", mode}};
}

ConvNormReluOptions options_of(const Attributes& a) {
  const int64_t mode = integer(a, "mode");
  check_input(0 <= mode && mode <= 2, "conv_norm_relu: mode ", mode,
              " is none of 0 (train), 1 (eval), 2 (batch only)");
  return {{integer(a, "stride_h"), integer(a, "stride_w"), integer(a, "pad_h"), integer(a, "pad_w")},
          static_cast<BatchNormOptions::Mode>(mode),
          a.at("eps"),
          a.at("momentum")};
}

std::vector<Variable> run(Tape& tape, const std::vector<Variable>& in, const Attributes& a) {
  // Copies: an op of the registry leaves its inputs as they are.
  const Tensor mean = copy_of(tape.context(), in[4].value), var = copy_of(tape.context(), in[5].value);
  const Variable y = layers::conv_norm_relu(tape, in[0], in[1], in[2], in[3], mean, var, options_of(a));
  return {y, tape.constant(mean), tape.constant(var)};
}

// The sum of its parts' floors: the map between the two is written and read again, as the statistics of all of it must
// be known before any of it can be normalized.
Floor floor_of(const std::vector<Shape>& in, const Attributes& a, int element) {
  const ConvolutionOptions o = options_of(a).convolution;
  const Conv2dShape shape{in[0][0], in[0][1],   in[0][2],   in[0][3], in[1][0], in[1][1],
                          in[1][2], o.stride_h, o.stride_w, o.pad_h,  o.pad_w};
  const Floor convolution = Conv2d<Device::cpu>::floor(shape, element);
  const Floor norm = BatchNorm<Device::cpu>::floor(shape.n * shape.p() * shape.q(), shape.k, false, element);
  return {convolution.bytes + norm.bytes, convolution.operations + norm.operations};
}

}  // namespace

Op conv_norm_relu_op() {
  return {
      .name = "conv_norm_relu",
      .contract = "layers/blocks.h",
      .inputs = {{"x"},
                 {"weight"},
                 {"gamma", Kind::floating, true, true},
                 {"beta", Kind::floating, true, true},
                 {"running_mean", Kind::floating, false, true},
                 {"running_var", Kind::floating, false, true}},
      .outputs = {{"y"},
                  {"new_running_mean", Kind::floating, false, true},
                  {"new_running_var", Kind::floating, false, true}},
      .attributes = {{"stride_h", false, 1},
                     {"stride_w", false, 1},
                     {"pad_h", false, 0},
                     {"pad_w", false, 0},
                     {"mode", false, kTrain},
                     {"eps", false, 1e-5},
                     {"momentum", false, 0.1}},
      .run = run,
      .cases = {{.name = "no images", .inputs = inputs_of({0, 4, 4, 3}, {5, 3, 3, 3})},
                {.name = "one pixel",
                 .inputs = inputs_of({1, 1, 1, 1}, {1, 1, 1, 1}),
                 .attributes = geometry(1, 0, kEval)},
                {.name = "1x1", .inputs = inputs_of({2, 3, 5, 7}, {9, 1, 1, 7})},
                {.name = "3x3 same",
                 .inputs = inputs_of({2, 5, 4, 3}, {5, 3, 3, 3}),
                 .attributes = geometry(1, 1)},
                {.name = "3x3 stride 2 odd",
                 .inputs = inputs_of({1, 7, 5, 16}, {16, 3, 3, 16}),
                 .attributes = geometry(2, 1)},
                {.name = "stem 7x7",
                 .inputs = inputs_of({1, 16, 9, 3}, {8, 7, 7, 3}),
                 .attributes = geometry(2, 3)},
                {.name = "eval",
                 .inputs = inputs_of({2, 5, 4, 3}, {5, 3, 3, 3}),
                 .attributes = geometry(1, 1, kEval)},
                {.name = "batch only",
                 .inputs = inputs_of({2, 5, 4, 3}, {5, 3, 3, 3}),
                 .attributes = geometry(1, 1, kBatchOnly)},
                {.name = "one row batch",
                 .inputs = inputs_of({1, 3, 3, 2}, {4, 3, 3, 2}),
                 .attributes = geometry(1, 0, kBatchOnly)},
                {.name = "large",
                 .inputs = inputs_of({2, 16, 8, 64}, {96, 3, 3, 64}),
                 .attributes = geometry(1, 1),
                 .small = false}},
      .floor = floor_of,
      .devices = devices_with_gpu(),
      .library = true,
      .versions = true,
      .composite = true,
  };
}

}  // namespace saccade
