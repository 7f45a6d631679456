// JPEG files of every kind for tests, and what happens to them on disks and in cameras.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include <jpeglib.h>

#include "reid/data/image.h"

namespace saccade {

// The picture as a JPEG file. `components` of `space` are taken from each pixel, a fourth one is 200; `change` sets
// what else there is to set.
inline std::string jpeg_file(const Image& image,
                             const std::function<void(jpeg_compress_struct&)>& change = {},
                             J_COLOR_SPACE space = JCS_RGB, int components = 3) {
  jpeg_compress_struct info;
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = components;
  info.in_color_space = space;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 95, TRUE);
  if (change) change(info);
  jpeg_start_compress(&info, TRUE);
  std::string row(static_cast<size_t>(image.width * components), static_cast<char>(200));
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x)
      for (int c = 0; c < std::min(components, 3); ++c)
        row[static_cast<size_t>(x * components + c)] = static_cast<char>(image.at(y, x)[c]);
    auto* line = reinterpret_cast<JSAMPROW>(row.data());
    jpeg_write_scanlines(&info, &line, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string file(reinterpret_cast<char*>(bytes), size);
  std::free(bytes);
  return file;
}

// A segment with its marker and length.
inline std::string segment(uint8_t marker, const std::string& content) {
  const size_t length = content.size() + 2;
  return std::string("\xff") + static_cast<char>(marker) + static_cast<char>(length >> 8) +
         static_cast<char>(length & 255) + content;
}

// The content of an Exif segment that tells an orientation, after the tag of the picture's width as cameras have it.
inline std::string exif_content(int orientation, bool little) {
  const auto number = [&](unsigned value, int size) {
    std::string text;
    for (int i = 0; i < size; ++i) text += static_cast<char>(value >> 8 * (little ? i : size - 1 - i) & 255);
    return text;
  };
  return std::string("Exif\0\0", 6) + (little ? "II" : "MM") + number(42, 2) + number(8, 4) + number(2, 2) +
         number(256, 2) + number(4, 2) + number(1, 4) + number(640, 4) +  //
         number(274, 2) + number(3, 2) + number(1, 4) + number(static_cast<unsigned>(orientation), 2) +
         number(0, 2) + number(0, 4);
}

// `file` with `part` after its start marker.
inline std::string with_part(const std::string& file, const std::string& part) {
  return file.substr(0, 2) + part + file.substr(2);
}
inline std::string with_orientation(const std::string& file, int orientation, bool little = true) {
  return with_part(file, segment(0xe1, exif_content(orientation, little)));
}

// What every viewer opens: a stray restart marker before the end marker, stray bytes before the tables, no end marker.
inline std::string with_stray_marker(const std::string& file) {
  return file.substr(0, file.size() - 2) + "\xff\xd1\xff\xd9";
}
inline std::string with_stray_bytes(const std::string& file) {
  return with_part(file, std::string("\xff\0", 2));
}
inline std::string without_end(const std::string& file) {
  return file.substr(0, file.size() - 2);
}

}  // namespace saccade
