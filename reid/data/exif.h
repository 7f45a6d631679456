// How a camera was held, as it writes into its pictures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "reid/data/image.h"

namespace saccade {

// The orientation (tag 274) that the APP1 segment of a JPEG tells, without its marker and length: from 1 to 8. 1, which
// is upright, for a segment that tells none, is no Exif, or holds offsets that lead nowhere.
int exif_orientation(std::span<const uint8_t> segment);

// The same of the TIFF structure alone, as the eXIf chunk of a PNG holds it.
int tiff_orientation(std::span<const uint8_t> bytes);

// The picture upright, from how it lies in a file of this orientation. 2 and 4 are mirror images, left to right and
// upside down; 3 is half a turn; 6 and 8 are a quarter turn, clockwise and against it; 5 and 7 are those with the two
// diagonals as mirrors.
Image upright(const Image& image, int orientation);

}  // namespace saccade
