// JPEG files, decoded by libjpeg-turbo.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "reid/data/image.h"

namespace saccade {

// Decodes baseline, progressive and arithmetic JPEGs of 8 bits: gray, YCbCr, RGB, CMYK and YCCK, where CMYK values are
// taken as inverted, as Adobe writes them and viewers expect. Stray bytes and markers and a missing end marker are
// flaws. InputError, which begins with `name`: the data ends before the picture does, so that libjpeg would make up the
// rest; the file is damaged in another way; it is of a kind that libjpeg does not decode (what to do is said, too); it
// has more than kMostPixels pixels, or more scans than an encoder makes.
StoredPicture decode_jpeg(const uint8_t* bytes, size_t size, const std::string& name);

}  // namespace saccade
