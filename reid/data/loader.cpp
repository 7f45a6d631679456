#include "reid/data/loader.h"

#include <utility>

#include "kernels/common/error.h"

namespace saccade {

Loader::Loader(std::vector<ImageRecord> records, std::vector<int64_t> labels, const LoaderConfig& config)
    : maker_(std::move(records), std::move(labels), config),
      prefetch_(config.workers, config.prefetch,
                [this](int64_t index, Batch& batch, PictureMaker::Scratch& scratch) {
                  const size_t b = static_cast<size_t>(index);
                  batch.index = index;
                  maker_.make(epoch_, positions_[b], batches_[b], batch, scratch);
                }) {}

void Loader::start(int64_t epoch, Batches batches, int64_t first) {
  prefetch_.stop();  // from here on no worker reads the old epoch
  positions_.clear();
  int64_t position = 0;
  for (const auto& batch : batches) {
    positions_.push_back(position);
    position += static_cast<int64_t>(batch.size());
    for (const int64_t index : batch)
      check(index >= 0 && index < maker_.records(), "loader: no picture ", index);
  }
  epoch_ = epoch;
  batches_ = std::move(batches);
  prefetch_.start(first, static_cast<int64_t>(batches_.size()));
}

}  // namespace saccade
