// Batches of pictures, ready for the network: decoded once, augmented anew for each sample, prefetched by
// worker threads. What a batch holds depends on the seed, the epoch and the batch's place in it, never on the
// number of workers or their timing.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "kernels/image/augment.h"
#include "reid/data/dataset.h"
#include "reid/data/sampler.h"

namespace saccade {

// How a training picture is varied. Default-constructed: not at all, as in evaluation.
struct AugmentConfig {
  float flip = 0;   // probability of a mirror image
  int pad = 0;      // pixels of black on each side before a random crop back to the size
  float erase = 0;  // probability of random erasing: a box that covers a fraction of the picture in
  float erase_area_min = 0.02f, erase_area_max = 0.4f;  // this range, height / width in [aspect, 1 / aspect];
  float erase_aspect = 0.3f;                            // 100 tries to fit it, then none
  float erase_fill[3] = {0, 0, 0};                      // after normalization; 0 is the mean of the data set
  float brightness = 0, contrast = 0, saturation = 0;   // factors drawn from [max(0, 1 - v), 1 + v]

  static AugmentConfig none() { return {}; }
  static AugmentConfig strong_baseline();  // flip 0.5, pad 10, erase 0.5
};

// The random choices for one sample: a pure function of its arguments. `position` counts the samples of the
// epoch. The fields `image` and `gray_mean` are left for the caller.
Augmentation draw_augmentation(const AugmentConfig& config, int64_t height, int64_t width, uint64_t seed,
                               int64_t epoch, int64_t position);

// Pictures at network size, decoded at first use. Thread-safe.
class ImageCache {
 public:
  // The first max_bytes / (height width 3) pictures are kept; the rest are decoded at each use.
  ImageCache(std::vector<std::string> paths, int height, int width, int64_t max_bytes);

  struct Picture {
    const uint8_t* pixels;  // [height, width, 3]
    float gray_mean;        // in [0, 255]
  };
  // `scratch` is used if the picture is not kept; the result may point into it. InputError from read_image().
  Picture get(int64_t index, std::vector<uint8_t>& scratch);

  // Decodes every kept picture now, with `threads` threads. The error of the first bad picture by index is
  // thrown, so that a damaged file stops a training before its first step.
  void preload(int threads);

  int64_t kept() const { return kept_; }
  const uint8_t* data() const {
    return pixels_.get();
  }  // [kept, height, width, 3], decoded where get() has been

 private:
  static constexpr int kLocks = 64;
  float decode(int64_t index, uint8_t* to) const;

  std::vector<std::string> paths_;
  int height_, width_;
  int64_t picture_bytes_, kept_;
  std::unique_ptr<uint8_t[]> pixels_;
  std::unique_ptr<float[]> gray_means_;
  std::unique_ptr<std::atomic<bool>[]> ready_;
  std::mutex locks_[kLocks];
};

// Decodes each picture and keeps none: InputError of the first bad one by index.
void check_pictures(const std::vector<ImageRecord>& records, int threads);

struct LoaderConfig {
  int height = 256, width = 128;
  AugmentConfig augment;
  Normalization normalization;
  uint64_t seed = 0;
  int workers = 1;   // 0: the caller's thread does the work inside next()
  int prefetch = 4;  // batches made ahead of the consumer (at least one for each worker)
  int64_t cache_bytes = int64_t{8} << 30;  // 0: decode each picture at each use (evaluation sees each once)
  bool pixels =
      true;  // false: batches hold the table of what is to be done, for a device that has the pictures
};

struct Batch {
  std::vector<float> images;                     // [count, height, width, 3], normalized; with config.pixels
  std::vector<Augmentation> table;               // [count]; without: `image` counts the records
  std::vector<int64_t> labels, camids, indices;  // [count]; indices: into the records
  int64_t count = 0, height = 0, width = 0;
  int64_t epoch = 0, index = 0;  // batch `index` of epoch `epoch`
};

class Loader {
 public:
  // labels[i]: what batches say of record i (a class, or the person for evaluation).
  Loader(std::vector<ImageRecord> records, std::vector<int64_t> labels, const LoaderConfig& config);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // Begins an epoch at batch `first`; what was left of the one before is dropped. Batch b is the same whether
  // the epoch began at 0 or at b.
  void start(int64_t epoch, Batches batches, int64_t first = 0);

  // The next batch in order; false at the end of the epoch. `batch` is reused. A picture that cannot be read
  // throws its InputError here, at the batch that holds it; then the epoch is over.
  bool next(Batch& batch);

  // Ends the epoch and joins the workers.
  void stop();

  ImageCache& cache() { return cache_; }
  const LoaderConfig& config() const { return config_; }

 private:
  struct Slot {
    Batch batch;
    std::exception_ptr error;
    bool ready = false;
  };
  void make(int64_t index, Batch& batch, std::vector<uint8_t>& scratch, Context& context);
  void work();

  LoaderConfig config_;
  std::vector<ImageRecord> records_;
  std::vector<int64_t> labels_;
  ImageCache cache_;

  int64_t epoch_ = 0;
  Batches batches_;
  std::vector<int64_t> positions_;  // of each batch's first sample in the epoch

  // Batch t is made in slot t % slots; `taken_` is the next one a worker takes, `given_` the next one for
  // next().
  std::mutex mutex_;
  std::condition_variable slot_free_, slot_ready_;
  std::vector<Slot> slots_;
  int64_t taken_ = 0, given_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace saccade
