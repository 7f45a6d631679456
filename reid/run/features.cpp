#include "reid/run/features.h"

#include <algorithm>
#include <cmath>

#include "reid/data/loader.h"

namespace saccade {

namespace {

// images [count, height, width, 3], each mirrored left to right in place.
void mirror(std::vector<float>& images, int64_t width) {
  const auto row = static_cast<size_t>(width) * 3;
  for (size_t begin = 0; begin < images.size(); begin += row)
    for (size_t left = 0, right = row - 3; left < right; left += 3, right -= 3)
      std::swap_ranges(&images[begin + left], &images[begin + left] + 3, &images[begin + right]);
}

std::vector<float> embedded(Context& context, const Embedder& embedder, const Batch& batch) {
  Tape tape(context);
  const Tensor images = Tensor::from_host(context, {batch.count, batch.height, batch.width, 3}, DType::f32,
                                          batch.images.data(), batch.images.size());
  const Variable features = embedder.embed(tape, images);
  const Shape expected{batch.count, embedder.feature_size};
  check(features.shape() == expected, "features of shape ", features.shape().text(), " instead of ",
        expected.text());
  return features.value.to_host<float>(context);
}

}  // namespace

Features extract_features(Context& context, const Embedder& embedder,
                          const std::vector<ImageRecord>& records) {
  const ExtractOptions& options = embedder.extraction;
  LoaderConfig loading;
  loading.height = static_cast<int>(options.height);
  loading.width = static_cast<int>(options.width);
  loading.workers = static_cast<int>(options.workers);
  loading.orientation = options.pictures.orientation;
  loading.cache_bytes = 0;  // each picture is seen once
  std::vector<int64_t> pids;
  for (const ImageRecord& record : records) pids.push_back(record.pid);
  Loader loader(records, pids, loading);
  loader.start(0, sequential_batches(static_cast<int64_t>(records.size()), options.batch));

  Features features;
  features.size = embedder.feature_size;
  features.values.reserve(records.size() * static_cast<size_t>(features.size));
  for (Batch batch; loader.next(batch);) {
    std::vector<float> values = embedded(context, embedder, batch);
    if (options.flip) {
      mirror(batch.images, batch.width);
      const std::vector<float> mirrored = embedded(context, embedder, batch);
      for (size_t i = 0; i < values.size(); ++i) values[i] = 0.5f * (values[i] + mirrored[i]);
    }
    for (size_t i = 0; i < values.size(); ++i)
      check(std::isfinite(values[i]), "the network gives features that are not finite, first for ",
            records[static_cast<size_t>(features.count) + i / static_cast<size_t>(features.size)].path,
            ": its weights or statistics have overflowed");
    features.values.insert(features.values.end(), values.begin(), values.end());
    features.pids.insert(features.pids.end(), batch.labels.begin(), batch.labels.end());
    features.camids.insert(features.camids.end(), batch.camids.begin(), batch.camids.end());
    features.count += batch.count;
    if (options.done) options.done(batch.count);
  }
  return features;
}

}  // namespace saccade
