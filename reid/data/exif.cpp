#include "reid/data/exif.h"

#include <cstring>

namespace saccade {
namespace {

// The TIFF structure inside an Exif segment. What lies outside of it reads as 0.
struct Tiff {
  std::span<const uint8_t> bytes;
  bool little;

  uint32_t number(uint64_t at, int size) const {
    if (at + static_cast<uint64_t>(size) > bytes.size()) return 0;
    uint32_t value = 0;
    for (int i = 0; i < size; ++i)
      value |= uint32_t{bytes[at + static_cast<uint64_t>(i)]} << 8 * (little ? i : size - 1 - i);
    return value;
  }
};

}  // namespace

int exif_orientation(std::span<const uint8_t> segment) {
  if (segment.size() < 6 || std::memcmp(segment.data(), "Exif\0", 6) != 0) return 1;
  return tiff_orientation(segment.subspan(6));
}

int tiff_orientation(std::span<const uint8_t> bytes) {
  if (bytes.size() < 8) return 1;
  const Tiff tiff{bytes, bytes[0] == 'I'};
  if (tiff.number(2, 2) != 42) return 1;
  const uint64_t folder = tiff.number(4, 4);
  const uint64_t entries = tiff.number(folder, 2);
  for (uint64_t i = 0; i < entries; ++i) {
    const uint64_t entry = folder + 2 + 12 * i;  // tag, type, count, value
    if (tiff.number(entry, 2) != 274) continue;
    // A SHORT, as the standard has it; some programs write a LONG.
    const uint32_t type = tiff.number(entry + 2, 2), value = tiff.number(entry + 8, type == 4 ? 4 : 2);
    return (type == 3 || type == 4) && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image upright(const Image& image, int orientation) {
  const bool lies = orientation >= 5;  // rows and columns change places
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  Image to(lies ? image.width : image.height, lies ? image.height : image.width);
  for (int y = 0; y < to.height; ++y)
    for (int x = 0; x < to.width; ++x) {
      const int row = lies ? x : y, column = lies ? y : x;
      std::memcpy(
          to.at(y, x),
          image.at(from_below ? image.height - 1 - row : row, from_right ? image.width - 1 - column : column),
          3);
    }
  return to;
}

}  // namespace saccade
