#include "reid/data/image_cache.h"

#include <algorithm>
#include <new>
#include <utility>

#include "kernels/common/error.h"

namespace saccade {

ImageCache::ImageCache(std::vector<std::string> paths, int height, int width, int64_t max_bytes,
                       Orientation orientation)
    : paths_(std::move(paths)),
      height_(height),
      width_(width),
      orientation_(orientation),
      picture_bytes_(int64_t{height} * width * 3) {
  check(height > 0 && width > 0, "picture size ", height, " x ", width, " is empty");
  kept_ = std::min(static_cast<int64_t>(paths_.size()), std::max<int64_t>(max_bytes, 0) / picture_bytes_);
  // Not cleared: a page is first touched when its picture is decoded.
  pixels_.reset(new (std::nothrow) uint8_t[static_cast<size_t>(kept_ * picture_bytes_)]);
  check(pixels_ != nullptr, "no memory for ", kept_ * picture_bytes_, " bytes of pictures");
  gray_means_ = std::make_unique<float[]>(static_cast<size_t>(kept_));
  ready_ = std::make_unique<std::atomic<bool>[]>(static_cast<size_t>(kept_));
}

float ImageCache::decode(int64_t index, uint8_t* to) const {
  resize(read_image(paths_[static_cast<size_t>(index)], orientation_), height_, width_, to);
  // In whole numbers, so that the mean does not depend on the order of the sum.
  int64_t sum = 0;
  for (int64_t i = 0; i < picture_bytes_; i += 3) sum += 299 * to[i] + 587 * to[i + 1] + 114 * to[i + 2];
  return static_cast<float>(static_cast<double>(sum) / (1000.0 * static_cast<double>(height_) * width_));
}

ImageCache::Picture ImageCache::get(int64_t index, std::vector<uint8_t>& scratch) {
  if (index >= kept_) {
    scratch.resize(static_cast<size_t>(picture_bytes_));
    const float gray_mean = decode(index, scratch.data());
    return {scratch.data(), gray_mean};
  }
  uint8_t* pixels = pixels_.get() + index * picture_bytes_;
  if (!ready_[index].load(std::memory_order_acquire)) {
    const std::lock_guard<std::mutex> lock(locks_[index % kLocks]);
    if (!ready_[index].load(std::memory_order_relaxed)) {
      gray_means_[index] = decode(index, pixels);
      ready_[index].store(true, std::memory_order_release);
    }
  }
  return {pixels, gray_means_[index]};
}

void ImageCache::preload(int threads, const Counted& counted) {
  for_each_index(
      kept_, threads,
      [&](int64_t i) {
        std::vector<uint8_t> unused;  // the picture is kept
        get(i, unused);
      },
      counted);
}

}  // namespace saccade
