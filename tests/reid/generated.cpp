// The generated set through the loaders that read the real ones.
#include <algorithm>
#include <cmath>

#include "reid/data/attributes.h"
#include "reid/data/loader.h"
#include "reid/synthetic/generate.h"
#include "tests/common/catch.h"
#include "tests/reid/folder.h"

using namespace saccade;

TEST_CASE("a generated set loads like a real one") {
  const TestFolder folder;
  synthetic::SetOptions options;
  options.out = folder / "Generated";
  options.ids = 12;
  options.cams = 3;
  options.images_per_cam = 2;
  const synthetic::SetSummary made = synthetic::make_image_set(options);

  const ReidDataset data = load_reid_dataset(folder.path());  // from the parent
  CHECK(static_cast<int64_t>(data.train.size()) == made.train);
  CHECK(static_cast<int64_t>(data.query.size()) == made.query);
  CHECK(static_cast<int64_t>(data.gallery.size()) == made.gallery);
  CHECK(data.identities() == made.train_ids);
  CHECK(data.has_cameras);
  CHECK(std::count_if(data.gallery.begin(), data.gallery.end(),
                      [](const ImageRecord& r) { return r.pid == 0; }) == made.distractors);

  const std::string path = data.root + "/market_attribute.mat";
  const AttributeSet attributes = read_attributes(path);
  CHECK(attributes.notice.empty());
  CHECK(attributes_of(attributes, attributes.train, data.train_ids, path).size() ==
        data.train_ids.size() * 12);

  LoaderConfig config;
  config.workers = 2;
  config.augment = AugmentConfig::strong_baseline();
  Loader loader(data.train, data.labels, config);
  const PkSampler sampler(data.labels, 4, 4, 7);
  loader.start(0, sampler.batches(0));
  Batch batch;
  REQUIRE(loader.next(batch));
  CHECK(batch.count == 16);
  CHECK(std::all_of(batch.images.begin(), batch.images.end(), [](float v) { return std::abs(v) < 3; }));
}
