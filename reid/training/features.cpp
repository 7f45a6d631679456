#include "reid/training/features.h"

#include <algorithm>
#include <cmath>

#include "reid/data/loader.h"

namespace saccade {

Features extract_features(Context& context, const ReidModel& model, const std::vector<ImageRecord>& records,
                          const TrainConfig& config, const std::function<void(int64_t)>& done) {
  LoaderConfig options;
  options.height = static_cast<int>(config.data.height);
  options.width = static_cast<int>(config.data.width);
  options.workers = static_cast<int>(config.data.workers);
  options.cache_bytes = 0;  // each picture is seen once
  std::vector<int64_t> pids;
  for (const ImageRecord& record : records) pids.push_back(record.pid);
  Loader loader(records, pids, options);
  loader.start(0, sequential_batches(static_cast<int64_t>(records.size()), config.evaluation.batch));

  Features features;
  features.size = model.feature_size();
  features.values.reserve(records.size() * static_cast<size_t>(features.size));
  Batch batch;
  while (loader.next(batch)) {
    Tape tape(context);
    const Tensor images = Tensor::from_host(context, {batch.count, batch.height, batch.width, 3}, DType::f32,
                                            batch.images.data(), batch.images.size());
    const auto out = model(tape, tape.constant(images), ReidModel::Mode::eval);
    const auto values = out.feature.value.to_host<float>(context);
    for (size_t i = 0; i < values.size(); ++i)
      check(std::isfinite(values[i]), "the network gives features that are not finite, first for ",
            records[static_cast<size_t>(features.count) + i / static_cast<size_t>(features.size)].path,
            ": its weights or statistics have overflowed");
    features.values.insert(features.values.end(), values.begin(), values.end());
    features.pids.insert(features.pids.end(), batch.labels.begin(), batch.labels.end());
    features.camids.insert(features.camids.end(), batch.camids.begin(), batch.camids.end());
    features.count += batch.count;
    if (done) done(batch.count);
  }
  return features;
}

}  // namespace saccade
