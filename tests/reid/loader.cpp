#include "reid/data/loader.h"

#include <algorithm>

#include "tests/common/catch.h"
#include "tests/reid/folder.h"

using namespace saccade;

namespace {

constexpr int kHeight = 24, kWidth = 12;

struct TinySet {
  TestFolder folder;
  std::vector<ImageRecord> records;
  std::vector<int64_t> labels;

  explicit TinySet(int count) {
    for (int i = 0; i < count; ++i) {
      ImageRecord record;
      record.pid = 10 + i / 4;
      record.camid = 1 + i % 3;
      record.path = folder / (std::to_string(record.pid) + "_c" + std::to_string(record.camid) + "_" +
                              std::to_string(i) + ".png");
      write_png(record.path, noise_image(20 + i % 3, 10 + i % 5, 100 + i));
      records.push_back(record);
      labels.push_back(i / 4);
    }
  }
};

LoaderConfig small_config(int workers) {
  LoaderConfig config;
  config.height = kHeight;
  config.width = kWidth;
  config.augment = AugmentConfig::strong_baseline();
  config.augment.brightness = config.augment.contrast = config.augment.saturation = 0.3f;
  config.seed = 99;
  config.workers = workers;
  return config;
}

std::vector<Batch> all_batches(Loader& loader) {
  std::vector<Batch> batches;
  Batch batch;
  while (loader.next(batch)) batches.push_back(batch);
  return batches;
}

bool same(const Batch& a, const Batch& b) {
  return a.images == b.images && a.labels == b.labels && a.camids == b.camids && a.indices == b.indices &&
         a.epoch == b.epoch && a.index == b.index;
}

bool same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](const Batch& x, const Batch& y) { return same(x, y); });
}

}  // namespace

TEST_CASE("batches do not depend on workers, on the cache or on where the epoch began") {
  const TinySet set(24);
  const PkSampler sampler(set.labels, 3, 2, 1);
  std::vector<Batch> expected[2];
  {
    Loader loader(set.records, set.labels, small_config(0));
    for (int64_t epoch = 0; epoch < 2; ++epoch) {
      loader.start(epoch, sampler.batches(epoch));
      expected[epoch] = all_batches(loader);
      REQUIRE(expected[epoch].size() >= 3);
    }
    CHECK_FALSE(same(expected[0], expected[1]));
  }
  const Batch& first = expected[0][0];
  CHECK(first.count == 6);
  CHECK(first.images.size() == 6u * kHeight * kWidth * 3);
  for (int64_t i = 0; i < first.count; ++i) {
    CHECK(first.labels[i] == set.labels[first.indices[i]]);
    CHECK(first.camids[i] == set.records[first.indices[i]].camid);
  }
  for (const int workers : {1, 2, 3, 9}) {
    for (const int64_t cache_bytes : {int64_t{1} << 30, int64_t{5} * kHeight * kWidth * 3, int64_t{0}}) {
      LoaderConfig config = small_config(workers);
      config.cache_bytes = cache_bytes;
      config.prefetch = 1 + workers % 3;
      Loader loader(set.records, set.labels, config);
      for (int64_t epoch = 0; epoch < 2; ++epoch) {
        loader.start(epoch, sampler.batches(epoch));
        CHECK(same(all_batches(loader), expected[epoch]));
      }
      // A resumed run starts like this.
      loader.start(0, sampler.batches(0), 2);
      const std::vector<Batch> rest = all_batches(loader);
      CHECK(same(rest, std::vector<Batch>(expected[0].begin() + 2, expected[0].end())));
    }
  }
}

TEST_CASE("without augmentation every sample is its resized, normalized picture, in order") {
  const TinySet set(7);
  LoaderConfig config = small_config(2);
  config.augment = AugmentConfig::none();
  config.cache_bytes = 0;
  std::vector<int64_t> pids;
  for (const ImageRecord& record : set.records) pids.push_back(record.pid);
  Loader loader(set.records, pids, config);
  loader.start(0, sequential_batches(7, 3));
  const std::vector<Batch> batches = all_batches(loader);
  REQUIRE(batches.size() == 3);
  CHECK(batches[2].count == 1);
  int64_t index = 0;
  for (const Batch& batch : batches)
    for (int64_t i = 0; i < batch.count; ++i, ++index) {
      CHECK(batch.indices[i] == index);
      CHECK(batch.labels[i] == pids[index]);
      const Image image = resize(read_image(set.records[index].path), kHeight, kWidth);
      const float* sample = batch.images.data() + i * kHeight * kWidth * 3;
      int wrong = 0;
      for (size_t p = 0; p < image.pixels.size(); ++p) {
        const float mean = config.normalization.mean[p % 3], std = config.normalization.std[p % 3];
        wrong += sample[p] != (static_cast<float>(image.pixels[p]) / 255 - mean) / std;
      }
      CHECK(wrong == 0);
    }
  CHECK(index == 7);
}

TEST_CASE("a bad picture reaches the consumer at its batch, whatever the workers") {
  TinySet set(12);
  std::ofstream(set.records[7].path, std::ios::binary | std::ios::trunc) << "not a picture";
  for (const int workers : {0, 1, 2, 3}) {
    Loader loader(set.records, set.labels, small_config(workers));
    loader.start(0, sequential_batches(12, 3));
    Batch batch;
    CHECK(loader.next(batch));
    CHECK(loader.next(batch));
    CHECK(batch.index == 1);
    CHECK_THAT(input_error_of([&] { loader.next(batch); }),
               ContainsSubstring(set.records[7].path) && ContainsSubstring("neither a JPEG nor a PNG"));
    CHECK_FALSE(loader.next(batch));  // the epoch is over
    // The loader can go on with others.
    loader.start(1, {{0, 1}, {8}});
    CHECK(all_batches(loader).size() == 2);
  }
}

TEST_CASE("a loader can be left or restarted in the middle of an epoch") {
  const TinySet set(12);
  for (int trial = 0; trial < 20; ++trial) {
    Loader loader(set.records, set.labels, small_config(1 + trial % 3));
    Batch batch;
    CHECK_FALSE(loader.next(batch));  // nothing was started
    loader.start(0, sequential_batches(12, 2));
    for (int i = 0; i < trial % 4; ++i) REQUIRE(loader.next(batch));
    if (trial % 2) {
      loader.start(1, sequential_batches(12, 5));
      REQUIRE(loader.next(batch));
      CHECK(batch.epoch == 1);
      CHECK(batch.count == 5);
    }
  }
  Loader loader(set.records, set.labels, small_config(1));
  CHECK_THROWS_AS(loader.start(0, {{12}}), Error);
  CHECK_THROWS_AS(loader.start(0, {{1}}, 2), Error);
  Batch batch;
  loader.start(0, {{1}}, 1);
  CHECK_FALSE(loader.next(batch));
  CHECK_THROWS_AS(Loader(set.records, {1, 2}, small_config(1)), Error);
}
