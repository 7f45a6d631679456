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

constexpr int64_t kMostPixels = 64'000'000;  // of a picture that is read
constexpr const char* kConvert = "convert it, e.g. with ImageMagick: convert IN OUT.png";

// Whether a picture is turned as the camera was held, which JPEG and PNG files tell as their EXIF orientation (as most
// viewers do), or is taken as it lies in the file.
enum class Orientation { apply, ignore };

// A picture as it lies in its file.
struct StoredPicture {
  Image image;
  int orientation = 1;  // what the camera wrote about it (exif.h)
  std::string flaw;     // the first that the decoder had to pass over; may be empty
};

// What is worth telling of a picture that was read.
struct ImageNotes {
  bool turned = false;  // as its EXIF orientation says
  std::string flaw;     // what the decoder passed over; empty where the file is flawless
};

// Whether a file of this name is taken for a picture: its extension is .jpg, .jpeg, .jpe, .jfif or .png in any case, and
// it is not hidden (macOS leaves "._name.jpg" files that hold no picture).
bool has_image_name(const std::string& path);

// Whether a file of this name is taken for a picture of a format that is not read: .avif, .bmp, .gif, .heic, .tif,
// .tiff or .webp in any case, and it is not hidden.
bool has_other_image_name(const std::string& path);

// Reads a JPEG or PNG. Gray and CMYK become RGB, alpha is dropped. InputError names the file and the reason: it cannot
// be read, is empty, has neither format or is of a kind that is not supported, is truncated or damaged (jpeg.h says
// where flaws end and damage begins), has 1 GiB or more, or more than kMostPixels pixels. `notes` may be null.
Image read_image(const std::string& path, Orientation orientation = Orientation::apply,
                 ImageNotes* notes = nullptr);

// The same from memory; `name` stands for the path in messages.
Image decode_image(const uint8_t* bytes, size_t size, const std::string& name,
                   Orientation orientation = Orientation::apply, ImageNotes* notes = nullptr);

// Resizes by the triangle filter with half-pixel centers, columns first, then rows. Output pixel x is the
// mean of the source pixels j with the weights
//
//   w_j = max(0, 1 - |j + 0.5 - c| / r),  c = (x + 0.5) s,  r = max(1, s),  s = source_width / width
//
// over the pixels that exist, and likewise for y. This is bilinear interpolation without aligned corners when
// it enlarges, and antialiased when it shrinks: Pillow's BILINEAR up to rounding. Values are rounded once, at
// the end. Error for an empty image.
void resize(const Image& from, int height, int width, uint8_t* to);  // to: [height, width, 3]
Image resize(const Image& from, int height, int width);

// The bytes of a PNG file. Error for an empty image.
std::vector<uint8_t> encode_png(const Image& image);

// Writes a PNG, whole or not at all. Throws what write_file() throws.
void write_png(const std::string& path, const Image& image);

}  // namespace saccade
