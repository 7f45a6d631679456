// From the 8-bit cache to a network's input.
#pragma once

#include "autograd/tape.h"
#include "kernels/image/augment.h"

namespace saccade {

// The tables of kernels/image/augment.h, made by the host of tensors, outside of what is recorded. `images`
// is the shape of the cache, [I,H,W,3];
//   placement     i32 [N,8]: image, flip, shift_y, shift_x, erase_y, erase_x, erase_height, erase_width
//   colour        [N,7]: brightness, contrast, saturation, gray_mean, then the erased box's fill (r, g, b)
//   normalization [2,3]: mean, then standard deviation
// f32 in every version. An image that the cache lacks is an InputError.
struct AugmentTables {
  AugmentTables(Tape& tape, const Shape& images, const Tensor& placement, const Tensor& colour,
                const Tensor& normalization);

  Tensor samples;  // u8 [N * sizeof(Augmentation)]
  Normalization normalization;
};

// images u8 [I,H,W,3] -> [N,H,W,3]. The table u8 [N * sizeof(Augmentation)] is what the host writes between
// segments; the caller checks that the pictures it names exist.
Tensor augment(Tape& tape, const Tensor& images, const Tensor& table, const Normalization& normalization,
               DType dtype);

}  // namespace saccade
