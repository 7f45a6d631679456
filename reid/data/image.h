// Pictures in memory: reading, resizing and writing them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace saccade {

// Interleaved 8-bit RGB, rows from the top: pixels[(y * width + x) * 3 + channel].
struct Image {
  int height = 0, width = 0;
  std::vector<uint8_t> pixels;

  Image() = default;
  Image(int height_, int width_, uint8_t value = 0)
      : height(height_), width(width_), pixels(static_cast<size_t>(height_) * width_ * 3, value) {}
  uint8_t* at(int y, int x) { return pixels.data() + (static_cast<size_t>(y) * width + x) * 3; }
  const uint8_t* at(int y, int x) const { return pixels.data() + (static_cast<size_t>(y) * width + x) * 3; }
};

// Whether a file of this name is taken for a picture: .jpg, .jpeg or .png in any case, and not hidden (a Mac
// leaves "._name.jpg" files that hold no picture).
bool has_image_name(const std::string& path);

// Reads a JPEG or PNG; gray is spread to RGB, alpha dropped, EXIF orientation ignored.
// InputError names the file and the reason: unreadable, empty, neither format, truncated, damaged, or more
// than 64 million pixels. A JPEG without its end marker counts as truncated: the decoder would fill the rest
// in gray.
Image read_image(const std::string& path);
Image decode_image(const uint8_t* bytes, size_t size, const std::string& name);

// Resizes by the triangle filter with half-pixel centers: output pixel x looks at the source around
// (x + 0.5) * source_width / width, with weights 1 - |distance| / r, r = max(1, source_width / width), that
// are renormalized at the edges. Enlarging, this is bilinear interpolation without aligned corners;
// shrinking, it averages over what it covers (antialiased; Pillow's BILINEAR up to rounding). Rounded once,
// at the end.
void resize(const Image& from, int height, int width, uint8_t* to);  // to: [height, width, 3]
Image resize(const Image& from, int height, int width);

std::vector<uint8_t> encode_png(const Image& image);

// Writes a PNG. InputError or Error names the file if it cannot be opened or written in full; nothing half written is
// left behind.
void write_png(const std::string& path, const Image& image);

}  // namespace saccade
