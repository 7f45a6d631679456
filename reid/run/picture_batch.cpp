#include "reid/run/picture_batch.h"

#include "autograd/functions/image.h"

namespace saccade {

bool host_augments(const Context& context, const LoaderConfig& config, size_t pictures) {
  const auto picture = static_cast<size_t>(config.height) * static_cast<size_t>(config.width) * 3;
  return context.device() == Device::cpu || pictures * picture > static_cast<size_t>(config.cache_bytes);
}

PictureBatch::PictureBatch(Context& context, Loader& loader, int64_t samples)
    : context_(context), normalization_(loader.config().normalization) {
  const int64_t height = loader.config().height, width = loader.config().width;
  labels_ = Tensor(context, {samples}, DType::i64);
  if (loader.config().pixels) {
    images_ = Tensor(context, {samples, height, width, 3}, DType::f32);
    return;
  }
  const Shape pictures{loader.cache().kept(), height, width, 3};
  cache_ = Tensor::from_host(context, pictures, DType::u8, loader.cache().data(),
                             static_cast<size_t>(pictures.count()));
  table_ = Tensor(context, {samples * static_cast<int64_t>(sizeof(Augmentation))}, DType::u8);
}

void PictureBatch::write(const Batch& batch) {
  if (cache_)
    table_.write(context_, batch.table.data());
  else
    images_.write(context_, batch.images.data());
  labels_.write(context_, batch.labels.data());
}

Tensor PictureBatch::images(Tape& tape) const {
  if (!cache_) return images_;
  const DType dtype = context_.precision == Precision::bf16 ? DType::bf16 : DType::f32;
  return augment(tape, cache_, table_, normalization_, dtype);
}

}  // namespace saccade
