#include "reid/data/image.h"

#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
#include <zlib.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>

#include "kernels/common/error.h"
#include "reid/data/exif.h"
#include "reid/data/jpeg.h"
#include "tensor/weights/atomic_file.h"
#include "tensor/weights/byte_source.h"

namespace saccade {
namespace {

constexpr uint64_t kMostBytes = uint64_t{1} << 30;  // of a file

uint32_t big_endian(const uint8_t* bytes) {
  return static_cast<uint32_t>(bytes[0]) << 24 | static_cast<uint32_t>(bytes[1]) << 16 |
         static_cast<uint32_t>(bytes[2]) << 8 | bytes[3];
}

constexpr std::string_view kPngEnd("\0\0\0\0IEND\xae\x42\x60\x82", 12);

struct PngParts {
  size_t size = 8;       // of the signature and the whole chunks
  bool has_end = false;  // the last of them is IEND
  int orientation = 1;   // Exif's
};

// Walks a PNG's chunks. It also compares their checksums, which the decoder does not.
PngParts read_png_parts(const uint8_t* bytes, size_t size, const std::string& name) {
  PngParts parts;
  while (parts.size + 12 <= size && !parts.has_end) {
    const size_t at = parts.size, length = big_endian(bytes + at);
    check_input(length <= size - at - 12, name, ": is truncated: its data ends before the picture does");
    check_input(crc32_z(0, bytes + at + 4, length + 4) == big_endian(bytes + at + 8 + length), name,
                ": is damaged: the checksum of a chunk is wrong");
    const std::string_view type(reinterpret_cast<const char*>(bytes + at + 4), 4);
    if (type == "eXIf") parts.orientation = tiff_orientation({bytes + at + 8, length});
    parts.size += 12 + length;
    parts.has_end = type == "IEND";
  }
  // A file that ends within its end marker, or before, may hold the whole picture: the decoder knows.
  const std::string_view rest(reinterpret_cast<const char*>(bytes + parts.size), size - parts.size);
  check_input(parts.has_end || kPngEnd.starts_with(rest), name,
              ": is truncated: its data ends before the picture does");
  return parts;
}

StoredPicture decode_png(const uint8_t* bytes, size_t size, const std::string& name) {
  const PngParts parts = read_png_parts(bytes, size, name);
  std::string whole;
  if (!parts.has_end) {  // the decoder asks for one
    whole.assign(reinterpret_cast<const char*>(bytes), parts.size).append(kPngEnd);
    bytes = reinterpret_cast<const uint8_t*>(whole.data());
    size = whole.size();
  }
  int width = 0, height = 0, channels = 0;
  const int length = static_cast<int>(size);
  if (!stbi_info_from_memory(bytes, length, &width, &height, &channels))
    throw InputError(concat(name, ": is damaged: ", stbi_failure_reason()));
  check_input(width > 0 && height > 0 && static_cast<int64_t>(width) * height <= kMostPixels, name, ": is ",
              width, " x ", height, ", more than ", kMostPixels, " pixels");
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(bytes, length, &width, &height, &channels, 3), stbi_image_free);
  if (pixels == nullptr)
    throw InputError(
        concat(name, ": is ", parts.has_end ? "damaged: " : "truncated: ", stbi_failure_reason()));
  Image image(height, width);
  std::memcpy(image.pixels.data(), pixels.get(), image.pixels.size());
  return {std::move(image), parts.orientation, parts.has_end ? "" : "its end marker is missing"};
}

// The source pixels, from `first` on, whose weighted mean is one output pixel.
struct Taps {
  int first = 0;
  std::vector<float> weights;  // their sum is 1
};

std::vector<Taps> triangle_taps(int from, int to) {
  const double scale = static_cast<double>(from) / to, radius = std::max(1.0, scale);
  std::vector<Taps> all(to);
  for (int i = 0; i < to; ++i) {
    const double center = (i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(std::floor(center - radius)));
    const int last = std::min(from - 1, static_cast<int>(std::ceil(center + radius)));
    double sum = 0;
    Taps& taps = all[i];
    taps.first = first;
    for (int j = first; j <= last; ++j) {
      const double weight = std::max(0.0, 1 - std::fabs(j + 0.5 - center) / radius);
      taps.weights.push_back(static_cast<float>(weight));
      sum += weight;
    }
    for (float& weight : taps.weights) weight = static_cast<float>(weight / sum);
  }
  return all;
}

// In small letters; empty for a hidden file.
std::string visible_extension(const std::string& path) {
  const std::filesystem::path file = std::filesystem::path(path).filename();
  if (file.string().starts_with('.')) return "";
  std::string extension = file.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension;
}

// The format of a picture that is not read, by its first bytes; empty for any other.
std::string other_format(std::string_view start) {
  if (start.starts_with("RIFF") && start.ends_with("WEBP")) return "WebP";
  if (start.starts_with("BM")) return "BMP";
  if (start.starts_with("GIF8")) return "GIF";
  if (start.starts_with(std::string_view("II*\0", 4)) || start.starts_with(std::string_view("MM\0*", 4)))
    return "TIFF";
  if (start.substr(std::min<size_t>(start.size(), 4)).starts_with("ftyp")) return "HEIC or AVIF";
  return "";
}

uint8_t round_to_byte(float value) {
  return static_cast<uint8_t>(std::min(255.0f, std::max(0.0f, value)) + 0.5f);
}

}  // namespace

bool has_image_name(const std::string& path) {
  const std::string extension = visible_extension(path);
  return extension == ".jpg" || extension == ".jpeg" || extension == ".jpe" || extension == ".jfif" ||
         extension == ".png";
}

bool has_other_image_name(const std::string& path) {
  const std::string extension = visible_extension(path);
  return extension == ".bmp" || extension == ".gif" || extension == ".heic" || extension == ".tif" ||
         extension == ".tiff" || extension == ".webp" || extension == ".avif";
}

Image decode_image(const uint8_t* bytes, size_t size, const std::string& name, Orientation orientation,
                   ImageNotes* notes) {
  check_input(size > 0, name, ": is empty (0 bytes)");
  check_input(size < kMostBytes, name, ": is larger than 1 GiB");
  const std::string_view start(reinterpret_cast<const char*>(bytes), std::min<size_t>(size, 12));
  StoredPicture picture;
  if (start.starts_with("\x89PNG\r\n\x1a\n")) {
    picture = decode_png(bytes, size, name);
  } else {
    const std::string other = other_format(start);
    check_input(other.empty(), name, ": is a ", other, ", not a JPEG or a PNG; ", kConvert);
    check_input(start.starts_with("\xff\xd8"), name, ": is neither a JPEG nor a PNG");
    picture = decode_jpeg(bytes, size, name);
  }
  const bool turned = orientation == Orientation::apply && picture.orientation != 1;
  if (notes != nullptr) *notes = {turned, picture.flaw};
  return turned ? upright(picture.image, picture.orientation) : std::move(picture.image);
}

Image read_image(const std::string& path, Orientation orientation, ImageNotes* notes) {
  const ByteSource source(path);
  check_input(source.size() < kMostBytes, path, ": is larger than 1 GiB");
  std::vector<uint8_t> bytes(source.size());
  source.read(0, bytes.data(), bytes.size());
  return decode_image(bytes.data(), bytes.size(), path, orientation, notes);
}

void resize(const Image& from, int height, int width, uint8_t* to) {
  check(height > 0 && width > 0 && from.height > 0 && from.width > 0, "resize: empty image");
  if (height == from.height && width == from.width) {
    std::memcpy(to, from.pixels.data(), from.pixels.size());
    return;
  }
  // Columns first: rows [from.height, width, 3].
  const std::vector<Taps> columns = triangle_taps(from.width, width),
                          lines = triangle_taps(from.height, height);
  const size_t pitch = static_cast<size_t>(width) * 3;
  std::vector<float> rows(from.height * pitch);
  for (int y = 0; y < from.height; ++y) {
    float* row = rows.data() + y * pitch;
    for (int x = 0; x < width; ++x) {
      const uint8_t* pixel = from.at(y, columns[x].first);
      float red = 0, green = 0, blue = 0;
      for (const float weight : columns[x].weights) {
        red += weight * pixel[0];
        green += weight * pixel[1];
        blue += weight * pixel[2];
        pixel += 3;
      }
      row[x * 3] = red;
      row[x * 3 + 1] = green;
      row[x * 3 + 2] = blue;
    }
  }
  std::vector<float> sums(pitch);
  for (int y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (size_t tap = 0; tap < lines[y].weights.size(); ++tap) {
      const float weight = lines[y].weights[tap];
      const float* row = rows.data() + (lines[y].first + tap) * pitch;
      for (size_t i = 0; i < pitch; ++i) sums[i] += weight * row[i];
    }
    for (size_t i = 0; i < pitch; ++i) to[y * pitch + i] = round_to_byte(sums[i]);
  }
}

Image resize(const Image& from, int height, int width) {
  Image to(height, width);
  resize(from, height, width, to.pixels.data());
  return to;
}

std::vector<uint8_t> encode_png(const Image& image) {
  check(image.height > 0 && image.width > 0, "encode_png: empty image");
  std::vector<uint8_t> bytes;
  const auto append = [](void* to, void* data, int size) {
    auto& all = *static_cast<std::vector<uint8_t>*>(to);
    all.insert(all.end(), static_cast<uint8_t*>(data), static_cast<uint8_t*>(data) + size);
  };
  const int done = stbi_write_png_to_func(append, &bytes, image.width, image.height, 3, image.pixels.data(),
                                          image.width * 3);
  check(done != 0, "encode_png: out of memory");
  return bytes;
}

void write_png(const std::string& path, const Image& image) {
  const std::vector<uint8_t> bytes = encode_png(image);
  write_file(path, bytes.data(), bytes.size());
}

}  // namespace saccade
