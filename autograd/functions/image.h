// From the 8-bit cache to a network's input.
#pragma once

#include "autograd/tape.h"
#include "kernels/image/augment.h"

namespace saccade {

// kernels/image/augment.h on a table of tensors: images u8 [I,H,W,3];
//   placement     i32 [N,8]: image, flip, shift_y, shift_x, erase_y, erase_x, erase_height, erase_width
//   colour        [N,7]: brightness, contrast, saturation, grey_mean, then the fill of the erased box (r, g,
//   b) normalization [2,3]: mean, then standard deviation
// -> [N,H,W,3] in the dtype of `colour`. The table itself is f32 in every version. An image that the cache
// lacks is an InputError.
Tensor augment(Tape& tape, const Tensor& images, const Tensor& placement, const Tensor& colour,
               const Tensor& normalization);

// The same with the table as the device takes it: u8 [N * sizeof(Augmentation)], which the host writes between segments. The
// caller checks that the pictures it names exist.
Tensor augment(Tape& tape, const Tensor& images, const Tensor& table, const Normalization& normalization,
               DType dtype);

}  // namespace saccade
