// Makes batches of still pictures. Loader puts this maker under Prefetch; other makers can use it, too (for
// references beside a batch, or the batches of several tasks for one step).
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/common/context.h"
#include "reid/data/augmentation.h"
#include "reid/data/dataset.h"
#include "reid/data/image_cache.h"

namespace saccade {

struct PictureConfig {
  int height = 256, width = 128;  // pixels
  Orientation orientation = Orientation::apply;
  AugmentConfig augment;
  Normalization normalization;
  uint64_t seed = 0;
  // Of decoded pictures; with 0 each picture is decoded at each use (an evaluation sees each once).
  int64_t cache_bytes = int64_t{8} << 30;
  // False: batches hold the table of what is to be done instead, for a device that has the pictures.
  bool pixels = true;
};

struct Batch {
  std::vector<float> images;                     // [count, height, width, 3], normalized; with config.pixels
  std::vector<Augmentation> table;               // [count]; without; `image` is an index into the records
  std::vector<int64_t> labels, camids, indices;  // [count]; indices: into the records
  int64_t count = 0, height = 0, width = 0;
  int64_t epoch = 0, index = 0;  // batch `index` of epoch `epoch`
};

class PictureMaker {
 public:
  // What one thread keeps from batch to batch.
  struct Scratch {
    std::vector<uint8_t> picture;
    Context context{Device::cpu, 0, /*threads=*/1};
  };

  // labels[i]: what batches say of record i (a class, or the person for evaluation). Error unless there is
  // one for each record.
  PictureMaker(std::vector<ImageRecord> records, std::vector<int64_t> labels, const PictureConfig& config);

  // Fills all of `batch` but its index with the pictures `members`, which are indices into the records; the
  // first of them is sample `position` of the epoch. The result depends on these arguments and the config
  // alone. Thread-safe. InputError from read_image().
  void make(int64_t epoch, int64_t position, const std::vector<int64_t>& members, Batch& batch,
            Scratch& scratch);

  int64_t records() const { return static_cast<int64_t>(records_.size()); }
  ImageCache& cache() { return cache_; }
  const PictureConfig& config() const { return config_; }

 private:
  PictureConfig config_;
  std::vector<ImageRecord> records_;
  std::vector<int64_t> labels_;
  ImageCache cache_;
};

}  // namespace saccade
