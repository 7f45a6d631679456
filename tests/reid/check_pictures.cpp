#include "reid/data/check_pictures.h"

#include "reid/data/image_cache.h"
#include "reid/run/figures.h"
#include "reid/run/retrieval.h"
#include "tests/common/catch.h"
#include "tests/reid/folder.h"
#include "tests/reid/jpeg_files.h"

using namespace saccade;

namespace {

// A part of a set: JPEG files of a few persons, each in two cameras.
std::vector<ImageRecord> write_part(const TestFolder& folder, const std::string& part, int count) {
  std::vector<ImageRecord> records;
  for (int i = 0; i < count; ++i) {
    const std::string name =
        part + "/" + std::to_string(10 + i / 2) + "_c" + std::to_string(1 + i % 2) + ".jpg";
    folder.write(name, jpeg_file(noise_image(16, 8, static_cast<uint64_t>(i))));
    records.push_back({folder / name, 10 + i / 2, 1 + i % 2});
  }
  return records;
}

void change(const ImageRecord& record, const std::function<std::string(const std::string&)>& how) {
  const std::string file = how(bytes_of(record.path));
  std::ofstream(record.path, std::ios::binary) << file;
}
std::string cut(const std::string& file) {
  return file.substr(0, file.size() / 2);
}

// What a check says, line by line.
struct Said {
  std::string text;
  ReadingReport report() {
    return {[this](const std::string& line) { text += line + "\n"; }, {}};
  }
};

}  // namespace

TEST_CASE("all pictures that cannot be read are told in one line, with the names of the first") {
  const TestFolder folder;
  std::vector<ImageRecord> train = write_part(folder, "train", 12), query = write_part(folder, "query", 4);
  for (const int threads : {1, 3}) {
    Said said;
    CHECK(check_pictures({&train, &query}, {}, threads, said.report()) == 0);
    CHECK(said.text.empty());
  }
  change(query[1], cut);
  for (const size_t i : {3, 4, 7, 8, 11}) change(train[i], cut);
  change(train[4], [](const std::string&) { return "no picture"; });
  for (const int threads : {1, 3}) {
    Said said;
    const std::string error = input_error_of([&] {
      check_pictures({&train, &query}, {}, threads, said.report());
    });
    CHECK(error == "6 pictures cannot be read (--set data.damaged=skip leaves them out): " + train[3].path +
                       ": is truncated or damaged: its data ends before the picture does; " + train[4].path +
                       ", " + train[7].path + ", " + train[8].path + ", " + train[11].path + " and 1 more");
    CHECK(said.text.empty());
    CHECK(train.size() == 12);
  }
}

TEST_CASE("pictures that are to be skipped leave their parts, and a part does not become empty") {
  const TestFolder folder;
  std::vector<ImageRecord> train = write_part(folder, "train", 6), query = write_part(folder, "query", 2),
                           none;
  const std::vector<ImageRecord> all = train;
  change(train[0], cut);
  change(train[5], cut);
  change(query[0], cut);
  Said said;
  CHECK(check_pictures({&train, &none, &query}, {.skip_damaged = true}, 2, said.report()) == 3);
  REQUIRE(train.size() == 4);
  for (size_t i = 0; i < 4; ++i) CHECK(train[i].path == all[i + 1].path);
  CHECK(query.size() == 1);
  CHECK_THAT(said.text,
             ContainsSubstring("left out 3 pictures that cannot be read: " + all[0].path + ": is truncated"));
  CHECK(std::count(said.text.begin(), said.text.end(), '\n') == 1);

  change(query[0], cut);
  CHECK_THAT(input_error_of([&] {
               check_pictures({&train, &query}, {.skip_damaged = true}, 2, {});
             }),
             ContainsSubstring("none of the 1 pictures can be read: " + query[0].path));
}

TEST_CASE("flaws and turned pictures are counted, and told in a line each") {
  const TestFolder folder;
  std::vector<ImageRecord> train = write_part(folder, "train", 8);
  change(train[1], with_stray_bytes);
  change(train[2], without_end);
  change(train[6], without_end);
  for (const size_t i : {4, 6})
    change(train[i], [](const std::string& file) { return with_orientation(file, 6); });
  change(train[5], [](const std::string& file) { return with_orientation(file, 1); });
  Said said, lying;
  CHECK(check_pictures({&train}, {}, 2, said.report()) == 0);
  CHECK_THAT(said.text,
             ContainsSubstring("3 pictures have small flaws and are used all the same; the first is " +
                               train[1].path + ": Corrupt JPEG data: 2 extraneous bytes"));
  CHECK_THAT(said.text, ContainsSubstring("2 pictures are turned as their EXIF orientation says"));
  CHECK(std::count(said.text.begin(), said.text.end(), '\n') == 2);
  check_pictures({&train}, {.orientation = Orientation::ignore}, 2, lying.report());
  CHECK(lying.text.find("turned") == std::string::npos);
}

TEST_CASE("who is told of the reading can end it") {
  const TestFolder folder;
  std::vector<ImageRecord> train = write_part(folder, "train", 10);
  int64_t last = 0;
  check_pictures({&train}, {}, 2, {{}, [&](int64_t done, int64_t all) {
                                     CHECK(all == 10);
                                     last = done;
                                   }});
  CHECK(last == 10);
  struct Stop {};
  const Counted stop = [](int64_t, int64_t) { throw Stop(); };
  CHECK_THROWS_AS(check_pictures({&train}, {}, 2, {{}, stop}), Stop);
  ImageCache cache({train[0].path, train[1].path}, 16, 8, 1 << 20);
  CHECK_THROWS_AS(cache.preload(1, stop), Stop);
}

TEST_CASE("a set without its damaged pictures has the classes of those that are left") {
  const TestFolder folder;
  write_part(folder, "bounding_box_train", 6);
  write_part(folder, "query", 4);
  write_part(folder, "bounding_box_test", 4);
  const ReidDataset whole = load_reid_dataset(folder.path());
  REQUIRE(whole.train_ids == std::vector<int>{10, 11, 12});
  change(whole.train[2], cut);
  change(whole.train[3], cut);  // both of person 11
  ReidDataset data = whole;
  CHECK_THAT(input_error_of([&] { check_dataset(data, {}, 1, {}); }),
             ContainsSubstring("2 pictures cannot be read"));
  check_dataset(data, {.skip_damaged = true}, 1, {});
  CHECK(data.train_ids == std::vector<int>{10, 12});
  CHECK(data.labels == std::vector<int64_t>{0, 0, 1, 1});
  CHECK(data.query.size() == 4);

  // What is left must still be a retrieval.
  for (const size_t i : {1, 2, 3}) change(whole.query[i], cut);
  change(whole.gallery[1],
         cut);  // the other picture of the only person that is left, and in the other camera
  data = whole;
  CHECK_THAT(input_error_of([&] { check_dataset(data, {.skip_damaged = true}, 1, {}); }),
             ContainsSubstring("no query has a correct image in the gallery"));
}

TEST_CASE("features are those of the picture as it was held, or as it lies") {
  const TestFolder folder;
  Image picture(16, 8, 40);
  for (int y = 0; y < 8; ++y)
    for (int x = 0; x < 8; ++x) std::fill_n(picture.at(y, x), 3, uint8_t{220});
  const std::string file = jpeg_file(picture);
  const std::vector<ImageRecord> records = {{folder.write("1_c1.jpg", file), 1, 1},
                                            {folder.write("1_c2.jpg", with_orientation(file, 3)), 1, 2}};
  Context context(Device::cpu, 0, 1);
  Embedder embedder;
  embedder.feature_size = 16 * 8 * 3;
  embedder.embed = [](Tape& tape, const Tensor& images) {
    return tape.constant(images.reshape({images.shape()[0], 16 * 8 * 3}));
  };
  embedder.extraction = {.height = 16, .width = 8, .done = {}};
  const auto same = [&] {
    const Features features = extract_features(context, embedder, records);
    const auto middle = features.values.begin() + features.size;
    return std::equal(features.values.begin(), middle, middle);
  };
  CHECK_FALSE(same());
  embedder.extraction.pictures.orientation = Orientation::ignore;
  CHECK(same());
}

TEST_CASE("ranked lists show the pictures as the network saw them") {
  const TestFolder folder;
  std::vector<ImageRecord> query = write_part(folder, "query", 1), gallery = write_part(folder, "gallery", 3);
  ReidDataset dataset;
  dataset.query = query;
  dataset.gallery = gallery;
  Evaluation evaluation;
  evaluation.ranked = {{0, {{0, 1, false}, {1, 2, true}, {2, 3, false}}}};
  evaluation.of_query = {{1, 0.5, 0.5, 0.5}};
  const auto drawn = [&](Orientation orientation) {
    draw_ranked_lists(folder / ".", dataset, orientation, evaluation);
    return bytes_of(folder / "ranked.png");
  };
  const std::string plain = drawn(Orientation::apply);
  CHECK(drawn(Orientation::ignore) == plain);
  change(gallery[1], [](const std::string& file) { return with_orientation(file, 3); });
  CHECK(drawn(Orientation::ignore) == plain);
  CHECK(drawn(Orientation::apply) != plain);
}
