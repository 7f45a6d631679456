#include "reid/run/features.h"

#include "autograd/functions/pooling.h"
#include "reid/baseline/network.h"
#include "tests/common/catch.h"
#include "tests/reid/folder.h"

using namespace saccade;

namespace {

Image mirrored(const Image& image) {
  Image out = image;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      for (int c = 0; c < 3; ++c)
        out.pixels[static_cast<size_t>((y * image.width + x) * 3 + c)] =
            image.pixels[static_cast<size_t>((y * image.width + image.width - 1 - x) * 3 + c)];
  return out;
}

}  // namespace

TEST_CASE(
    "with flip a picture and its mirror image have the same feature: the mean of what they have without") {
  const TestFolder folder;
  std::vector<ImageRecord> pictures, mirrors;
  for (uint64_t i = 0; i < 3; ++i) {
    const Image image = noise_image(32, 16, i);
    pictures.push_back({folder / ("1_" + std::to_string(i) + ".png"), 1, 1});
    mirrors.push_back({folder / ("2_" + std::to_string(i) + ".png"), 2, 1});
    write_png(pictures.back().path, image);
    write_png(mirrors.back().path, mirrored(image));
  }
  Context context(Device::cpu, 0, 1);
  Learner learner;
  const baseline::Network network(learner.parameters, {{"resnet10_compact", 4, 1}});
  learner.start(context, 1);
  Embedder embedder;
  embedder.embed = [&](Tape& tape, const Tensor& images) {
    return network(tape, tape.constant(images), baseline::Network::Mode::eval).feature;
  };
  embedder.feature_size = network.feature_size();
  embedder.extraction = {.height = 32, .width = 16, .batch = 2, .done = {}};
  const auto features_of = [&](const std::vector<ImageRecord>& records, bool flip) {
    embedder.extraction.flip = flip;
    return extract_features(context, embedder, records);
  };
  const Features once = features_of(pictures, false), other = features_of(mirrors, false);
  const Features both = features_of(pictures, true);
  CHECK(both.count == 3);
  CHECK(both.size == network.feature_size());
  CHECK(both.pids == std::vector<int64_t>{1, 1, 1});
  CHECK(once.values != other.values);
  CHECK(features_of(mirrors, true).values == both.values);
  for (size_t i = 0; i < both.values.size(); ++i)
    REQUIRE(both.values[i] == 0.5f * (once.values[i] + other.values[i]));
}

TEST_CASE("features of another size than was said are an error, and so is one that is not finite") {
  const TestFolder folder;
  const std::vector<ImageRecord> pictures = {{folder / "1_c1.png", 1, 1}};
  write_png(pictures[0].path, noise_image(32, 16, 1));
  Context context(Device::cpu, 0, 1);
  const auto error_of = [&](const Embed& embed) -> std::string {
    try {
      const Embedder embedder{embed, 3, {.height = 32, .width = 16, .done = {}}};
      extract_features(context, embedder, pictures);
    } catch (const Error& error) {
      return error.what();
    }
    return "no Error";
  };
  const Embed means = [](Tape& tape, const Tensor& images) {
    return global_average_pool(tape, tape.constant(images));
  };
  CHECK(error_of(means) == "no Error");
  CHECK_THAT(error_of([](Tape& tape, const Tensor& images) { return tape.constant(images); }),
             ContainsSubstring("instead of [1,3]"));
  CHECK_THAT(error_of([&](Tape& tape, const Tensor&) {
               return tape.constant(Tensor::from(context, {1, 3}, std::vector<float>{1, INFINITY, 2}));
             }),
             ContainsSubstring("1_c1.png"));
}
