#include "reid/data/image.h"

#include <stb/stb_image.h>
#include <stb/stb_image_write.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "kernels/common/error.h"
#include "tensor/weights/atomic_file.h"

namespace saccade {
namespace {

constexpr int64_t kMostPixels = 64'000'000;

std::vector<uint8_t> read_file(const std::string& path) {
  std::error_code failure;
  check_input(!std::filesystem::is_directory(path, failure), path, ": is a folder, not a picture");
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  check_input(file != nullptr, path, ": cannot be opened: ", std::strerror(errno));
  std::vector<uint8_t> bytes;
  const uintmax_t expected = std::filesystem::file_size(path, failure);
  if (!failure) bytes.reserve(std::min<uintmax_t>(expected, 1u << 26));
  uint8_t block[1 << 14];
  while (const size_t got = std::fread(block, 1, sizeof block, file.get()))
    bytes.insert(bytes.end(), block, block + got);
  check_input(std::ferror(file.get()) == 0, path, ": cannot be read: ", std::strerror(errno));
  return bytes;
}

// Walks a JPEG's segments to its end-of-image marker. A thumbnail's end marker lies inside an APP segment and
// is stepped over with it.
bool jpeg_is_complete(const uint8_t* bytes, size_t size) {
  size_t at = 2;  // behind the start-of-image marker
  while (at + 1 < size) {
    if (bytes[at] != 0xff) {  // entropy-coded data, which the segment before started
      ++at;
      continue;
    }
    const uint8_t marker = bytes[at + 1];
    if (marker == 0xd9) return true;
    if (marker == 0xff) {
      ++at;
    } else if (marker == 0x00 || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;  // a stuffed byte, or a marker without a length
    } else {
      if (at + 3 >= size) return false;
      const size_t length = static_cast<size_t>(bytes[at + 2]) << 8 | bytes[at + 3];
      at += 2 + std::max<size_t>(length, 2);
    }
  }
  return false;
}

uint32_t big_endian(const uint8_t* bytes) {
  return static_cast<uint32_t>(bytes[0]) << 24 | static_cast<uint32_t>(bytes[1]) << 16 |
         static_cast<uint32_t>(bytes[2]) << 8 | bytes[3];
}

// The checksum of a PNG chunk: CRC-32 with the reflected polynomial 0xedb88320.
uint32_t crc32(const uint8_t* bytes, size_t size) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> made;
    for (uint32_t i = 0; i < 256; ++i) {
      made[i] = i;
      for (int bit = 0; bit < 8; ++bit) made[i] = made[i] >> 1 ^ (made[i] & 1 ? 0xedb88320u : 0u);
    }
    return made;
  }();
  uint32_t crc = ~0u;
  for (size_t i = 0; i < size; ++i) crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 255];
  return ~crc;
}

// Walks a PNG's chunks to the end of IEND. The decoder checks no sums, so this does.
bool png_is_complete(const uint8_t* bytes, size_t size, const std::string& name) {
  size_t at = 8;
  while (at + 12 <= size) {
    const size_t length = big_endian(bytes + at);
    if (length > size - at - 12) return false;
    check_input(crc32(bytes + at + 4, length + 4) == big_endian(bytes + at + 8 + length), name,
                ": is damaged: the checksum of a chunk is wrong");
    if (std::memcmp(bytes + at + 4, "IEND", 4) == 0) return true;
    at += 12 + length;
  }
  return false;
}

// The source pixels and weights that make one output pixel.
struct Taps {
  int first = 0;
  std::vector<float> weights;  // sum to one
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

uint8_t round_to_byte(float value) {
  return static_cast<uint8_t>(std::min(255.0f, std::max(0.0f, value)) + 0.5f);
}

}  // namespace

bool has_image_name(const std::string& path) {
  const std::filesystem::path file = std::filesystem::path(path).filename();
  if (file.string().empty() || file.string()[0] == '.') return false;
  std::string extension = file.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

Image decode_image(const uint8_t* bytes, size_t size, const std::string& name) {
  check_input(size > 0, name, ": is empty (0 bytes)");
  const bool jpeg = size >= 3 && std::memcmp(bytes, "\xff\xd8\xff", 3) == 0;
  const bool png = size >= 8 && std::memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
  check_input(jpeg || png, name, ": is neither a JPEG nor a PNG");
  check_input(size < (size_t{1} << 30), name, ": is larger than 1 GiB");
  check_input(jpeg ? jpeg_is_complete(bytes, size) : png_is_complete(bytes, size, name), name,
              ": is truncated (its end marker is missing)");
  int width = 0, height = 0, channels = 0;
  const int length = static_cast<int>(size);
  if (!stbi_info_from_memory(bytes, length, &width, &height, &channels))
    throw InputError(concat(name, ": is damaged: ", stbi_failure_reason()));
  check_input(width > 0 && height > 0 && static_cast<int64_t>(width) * height <= kMostPixels, name, ": is ",
              width, " x ", height, ", more than ", kMostPixels, " pixels");
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(bytes, length, &width, &height, &channels, 3), stbi_image_free);
  if (pixels == nullptr) throw InputError(concat(name, ": is damaged: ", stbi_failure_reason()));
  Image image(height, width);
  std::memcpy(image.pixels.data(), pixels.get(), image.pixels.size());
  return image;
}

Image read_image(const std::string& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  return decode_image(bytes.data(), bytes.size(), path);
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
  const std::string temporary = path + ".tmp";
  FILE* file = std::fopen(temporary.c_str(), "wb");
  if (!file) cannot_write(path, errno);
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  const bool closed = std::fclose(file) == 0;
  if (!written || !closed || std::rename(temporary.c_str(), path.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    std::remove(temporary.c_str());
    throw Error(concat(path, ": cannot be written: ", reason));
  }
}

}  // namespace saccade
