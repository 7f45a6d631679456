// A batch of pictures on the device, at addresses that stay: the host writes it between segments, a segment reads it.
#pragma once

#include "autograd/tape.h"
#include "reid/data/loader.h"

namespace saccade {

// True if a batch is to hold finished pixels (LoaderConfig::pixels): on the CPU, and where the device cannot hold all
// pictures. Else the device keeps the pictures and augments them itself.
bool host_augments(const Context& context, const LoaderConfig& config, size_t pictures);

class PictureBatch {
 public:
  // For batches of `samples` pictures of `loader`, whose cache has been filled. Both outlive it.
  PictureBatch(Context& context, Loader& loader, int64_t samples);

  // Between segments.
  void write(const Batch& batch);

  // [samples,H,W,3], augmented and normalized, in the precision of the context where the device augments, else f32.
  Tensor images(Tape& tape) const;
  const Tensor& labels() const { return labels_; }  // i64 [samples]

 private:
  Context& context_;
  Normalization normalization_;
  Tensor images_;         // f32, augmented by the loader; or
  Tensor cache_, table_;  // all pictures, and what the device makes of them
  Tensor labels_;
};

}  // namespace saccade
