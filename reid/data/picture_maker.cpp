#include "reid/data/picture_maker.h"

#include <utility>

#include "kernels/common/error.h"

namespace saccade {
namespace {

std::vector<std::string> paths_of(const std::vector<ImageRecord>& records) {
  std::vector<std::string> paths;
  paths.reserve(records.size());
  for (const ImageRecord& record : records) paths.push_back(record.path);
  return paths;
}

}  // namespace

PictureMaker::PictureMaker(std::vector<ImageRecord> records, std::vector<int64_t> labels,
                           const PictureConfig& config)
    : config_(config),
      records_(std::move(records)),
      labels_(std::move(labels)),
      cache_(paths_of(records_), config.height, config.width, config.cache_bytes, config.orientation) {
  check(labels_.size() == records_.size(), labels_.size(), " labels for ", records_.size(), " pictures");
}

void PictureMaker::make(int64_t epoch, int64_t position, const std::vector<int64_t>& members, Batch& batch,
                        Scratch& scratch) {
  const int64_t pixels = int64_t{config_.height} * config_.width * 3;
  batch.count = static_cast<int64_t>(members.size());
  batch.height = config_.height;
  batch.width = config_.width;
  batch.epoch = epoch;
  batch.indices = members;
  batch.labels.resize(members.size());
  batch.camids.resize(members.size());
  batch.images.resize(config_.pixels ? static_cast<size_t>(batch.count * pixels) : 0);
  batch.table.resize(config_.pixels ? 0 : members.size());
  for (int64_t i = 0; i < batch.count; ++i) {
    const size_t record = static_cast<size_t>(members[static_cast<size_t>(i)]);
    batch.labels[static_cast<size_t>(i)] = labels_[record];
    batch.camids[static_cast<size_t>(i)] = records_[record].camid;
    const ImageCache::Picture picture = cache_.get(static_cast<int64_t>(record), scratch.picture);
    Augmentation a =
        draw_augmentation(config_.augment, config_.height, config_.width, config_.seed, epoch, position + i);
    a.gray_mean = picture.gray_mean;
    a.image = static_cast<int64_t>(record);
    if (!config_.pixels) {
      batch.table[static_cast<size_t>(i)] = a;
      continue;
    }
    a.image = 0;
    Augment<Device::cpu>::forward(scratch.context, 1, config_.height, config_.width, picture.pixels, &a,
                                  config_.normalization, batch.images.data() + i * pixels);
  }
}

}  // namespace saccade
