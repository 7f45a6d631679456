// Pictures at network size, decoded once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "reid/data/for_each_index.h"
#include "reid/data/image.h"

namespace saccade {

// Decodes each picture at its first use. Thread-safe.
class ImageCache {
 public:
  // The first max_bytes / (height width 3) pictures are kept; the others are decoded at each use. Error for
  // an empty size, or where the memory cannot be had.
  ImageCache(std::vector<std::string> paths, int height, int width, int64_t max_bytes,
             Orientation orientation = Orientation::apply);

  struct Picture {
    const uint8_t* pixels;  // [height, width, 3]
    float gray_mean;        // from 0 to 255
  };
  // `scratch` is used if the picture is not kept; the result may point into it. InputError from read_image().
  Picture get(int64_t index, std::vector<uint8_t>& scratch);

  // Decodes every picture that is kept, with `threads` threads. InputError of the first bad picture by index,
  // and what `counted` throws (for_each_index.h).
  void preload(int threads, const Counted& counted = {});

  int64_t kept() const { return kept_; }
  // [kept, height, width, 3]; a picture's pixels are there once get() or preload() has decoded it.
  const uint8_t* data() const { return pixels_.get(); }

 private:
  static constexpr int kLocks = 64;
  float decode(int64_t index, uint8_t* to) const;

  std::vector<std::string> paths_;
  int height_, width_;
  Orientation orientation_;
  int64_t picture_bytes_, kept_;
  std::unique_ptr<uint8_t[]> pixels_;
  std::unique_ptr<float[]> gray_means_;
  std::unique_ptr<std::atomic<bool>[]> ready_;
  std::mutex locks_[kLocks];
};

}  // namespace saccade
