#include "kernels/image/augment.h"

#include "autograd/functions/image.h"
#include "autograd/registry/registry.h"

namespace saccade {

namespace {

const Fill bytes = {Fill::integers, 0, 256};
const Fill imagenet = {Fill::values, 0, 1, {0.485, 0.456, 0.406, 0.229, 0.224, 0.225}};
// Each sample: brightness, contrast, saturation, gray mean, and the three colors that fill the erased box.
const Fill still = {Fill::values, 0, 1, {1, 1, 1, 0, 0, 0, 0}};
const Fill jitter = {Fill::values, 0, 1, {1.25, 0.75, 0.5, 100, 0.5, -1, 2, 0.5, 1.5, 1.75, 30, 0, 0, 0}};
const Fill saturating = {
    Fill::values, 0, 1, {20, 1, 3, 128, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 1, 9, 1, 250, 0, 0, 0}};

Fill placed(std::vector<double> list) {
  return {Fill::values, 0, 1, std::move(list)};
}

}  // namespace

Op augment_op() {
  return {
      .name = "augment",
      .contract = "kernels/image/augment.h",
      .inputs = {{"images", Kind::u8},
                 {"placement", Kind::i32},
                 {.name = "colour", .differentiable = false},
                 {.name = "normalization", .differentiable = false}},
      .outputs = {{.name = "y", .differentiable = false}},
      .attributes = {},
      .prepare = [](Tape& setup, const std::vector<Variable>& given, const Attributes&) -> OpRun {
        const AugmentTables tables(setup, given[0].shape(), given[1].value, given[2].value, given[3].value);
        return [tables](Tape& tape, const std::vector<Variable>& in, const Attributes&) {
          return constants(tape,
                           {augment(tape, in[0].value, tables.samples, tables.normalization, in[2].dtype())});
        };
      },
      .cases =
          {{.name = "no samples", .inputs = {{{1, 2, 3, 3}, bytes}, {{0, 8}}, {{0, 7}}, {{2, 3}, imagenet}}},
           {.name = "one pixel",
            .inputs =
                {{{1, 1, 1, 3}, bytes}, {{1, 8}, {Fill::constant}}, {{1, 7}, still}, {{2, 3}, imagenet}}},
           {.name = "as it is",
            .inputs = {{{2, 5, 3, 3}, bytes},
                       {{2, 8}, placed({1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})},
                       {{2, 7}, still},
                       {{2, 3}, imagenet}}},
           // The samples are flipped, shifted beyond each edge, flipped and shifted, and shifted out of the picture.
           {.name = "flip and crop",
            .inputs = {{{2, 7, 5, 3}, bytes},
                       {{5, 8}, placed({0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 2, -3, 0, 0, 0, 0,  0, 1, -2, 1,
                                        0, 0, 0, 0, 1, 1, 7, 0, 0, 0, 0, 0,  0, 0, 0, -5, 0, 0, 0,  0})},
                       {{5, 7}, still},
                       {{2, 3}, imagenet}}},
           {.name = "jitter",
            .inputs = {{{3, 7, 5, 3}, bytes},
                       {{4, 8}, placed({0, 1, 1, -1, 0, 0, 0, 0, 2, 0, 0, 2, 0, 0, 0, 0})},
                       {{4, 7}, jitter},
                       {{2, 3}, imagenet}}},
           {.name = "saturating",
            .inputs = {{{2, 6, 11, 3}, bytes},
                       {{3, 8}, placed({0, 0, 0, 1, 0, 0, 0, 0})},
                       {{3, 7}, saturating},
                       {{2, 3}, imagenet}}},
           // The erased boxes lie inside, over the corners, over everything and over nothing.
           {.name = "erase",
            .inputs = {{{2, 6, 9, 3}, bytes},
                       {{5, 8}, placed({0, 0, 0, 0, 1, 2, 3, 4, 1, 1, 0, 1, -1, -2, 3, 4, 0, 0, 0, 0,
                                        4, 7, 9, 9, 1, 0, 0, 0, 0, 0, 6, 9, 0,  1,  0, 0, 3, 3, 0, 4})},
                       {{5, 7}, jitter},
                       {{2, 3}, imagenet}}},
           {.name = "large",
            .inputs = {{{8, 256, 128, 3}, bytes},
                       {{16, 8}, placed({5, 1, -7, 4, 20, 30, 90, 50, 2, 0, 9, -10, 0, 0, 0, 0})},
                       {{16, 7}, jitter},
                       {{2, 3}, imagenet}},
            .small = false}},
      .floor = [](const std::vector<Shape>& in, const Attributes&,
                  int element) { return Augment<Device::cpu>::floor(in[1][0], in[0][1], in[0][2], element); },
      .devices = devices_with_gpu(),
  };
}

}  // namespace saccade
