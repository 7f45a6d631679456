// Batches of still pictures, ready for the network: decoded once, augmented anew for each sample, prefetched
// by worker threads. What a batch holds depends on the seed, the epoch and the batch's place in it, never on
// the number of workers.
#pragma once

#include <cstdint>
#include <vector>

#include "reid/data/picture_maker.h"
#include "reid/data/prefetch.h"
#include "reid/data/sampler.h"

namespace saccade {

struct LoaderConfig : PictureConfig {
  int workers = 1;   // 0: next() works on the caller's thread
  int prefetch = 4;  // batches that may wait for next(); at least one for each worker
};

class Loader {
 public:
  // labels[i]: what batches say of record i (a class, or the person for evaluation).
  Loader(std::vector<ImageRecord> records, std::vector<int64_t> labels, const LoaderConfig& config);

  // Begins an epoch at batch `first`; what was left of the one before is dropped. Batch b is the same whether
  // the epoch began at 0 or at b. Error for a record or a batch that does not exist.
  void start(int64_t epoch, Batches batches, int64_t first = 0);

  // The next batch in order; false at the end of the epoch. `batch` is used again. A picture that cannot be
  // read throws its InputError here, at the batch that holds it; then the epoch is over.
  bool next(Batch& batch) { return prefetch_.next(batch); }

  // Ends the epoch and joins the workers.
  void stop() { prefetch_.stop(); }

  ImageCache& cache() { return maker_.cache(); }
  const PictureConfig& config() const { return maker_.config(); }

 private:
  PictureMaker maker_;
  int64_t epoch_ = 0;
  Batches batches_;
  std::vector<int64_t> positions_;                   // of each batch's first sample in the epoch
  Prefetch<Batch, PictureMaker::Scratch> prefetch_;  // the last member: its workers read the others
};

}  // namespace saccade
