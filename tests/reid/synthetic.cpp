// The generated image set: layout, counts, determinism, noise against the truth file, and the attribute file.
#include <matio.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "kernels/common/error.h"
#include "reid/data/attributes.h"
#include "reid/data/dataset.h"
#include "reid/data/image.h"
#include "reid/synthetic/files.h"
#include "reid/synthetic/generate.h"
#include "reid/synthetic/raster.h"
#include "tests/common/catch.h"
#include "tests/common/folder.h"

namespace fs = std::filesystem;
namespace synthetic = saccade::synthetic;
using synthetic::make_image_set;
using synthetic::SetOptions;

namespace {

SetOptions small(const std::string& out) {
  SetOptions options;
  options.out = out;
  options.ids = 7;
  options.cams = 2;
  options.images_per_cam = 3;
  options.seed = 5;
  options.noise = {0.2, 0.3, 0.25};
  return options;
}

std::map<std::string, std::string> all_files(const fs::path& root) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    files[fs::relative(entry.path(), root).string()] = saccade::bytes_of(entry.path().string());
  }
  return files;
}

nlohmann::json truth_of(const fs::path& root) {
  return nlohmann::json::parse(std::ifstream(root / "truth.json"));
}

bool refused(const SetOptions& options, const std::string& reason) {
  try {
    make_image_set(options);
  } catch (const saccade::InputError& error) {
    const std::string text = error.what();
    return text.find(reason) != std::string::npos && text.find('\n') == std::string::npos;
  }
  return false;
}

}  // namespace

TEST_CASE("the set has the layout and counts of its options", "[synthetic]") {
  const saccade::TestFolder folder;
  const SetOptions options = small(folder / "set");
  int64_t drawn = 0;
  SetOptions one_thread = options;
  one_thread.threads = 1;
  const auto summary = make_image_set(one_thread, [&](int64_t n) { drawn += n; });
  CHECK(drawn == synthetic::count_images(options));
  CHECK(summary.images() == drawn);
  CHECK(summary.train_ids == 3);
  CHECK(summary.test_ids == 4);
  CHECK(summary.train == 3 * 2 * 3);
  CHECK(summary.query == 4 * 2);
  CHECK(summary.gallery - summary.distractors == 4 * 2 * 2);

  const auto files = all_files(options.out);
  CHECK(static_cast<int64_t>(files.size()) == drawn + 2);  // and truth.json, market_attribute.mat
  std::map<std::string, int64_t> in_folder;
  std::map<std::pair<int, int>, int> queries;
  for (const auto& [name, bytes] : files) {
    if (name.find('/') == std::string::npos) continue;
    const std::string where = name.substr(0, name.find('/')), base = name.substr(name.find('/') + 1);
    ++in_folder[where];
    int person = 0, camera = 0, sequence = 0, frame = 0, box = 0, read = 0;
    REQUIRE(std::sscanf(base.c_str(), "%d_c%ds%d_%d_%d.jpg%n", &person, &camera, &sequence, &frame, &box,
                        &read) == 5);
    CHECK(read == static_cast<int>(base.size()));
    CHECK(base.size() == (person < 0 ? 21u : 23u));
    CHECK((camera == 1 || camera == 2));
    if (person <= 0) CHECK(where == "bounding_box_test");
    if (person > 0) CHECK((where == "bounding_box_train") == (person % 2 == 0));
    if (where == "query") ++queries[{person, camera}];
    const saccade::Image image = saccade::read_image((fs::path(options.out) / name).string());
    CHECK(image.width == 64);
    CHECK(image.height == 128);
    // The picture shows something: its brightest and its darkest byte are far apart.
    const auto [low, high] = std::minmax_element(image.pixels.begin(), image.pixels.end());
    CHECK(*high - *low > 40);
  }
  CHECK(in_folder["bounding_box_train"] == summary.train);
  CHECK(in_folder["query"] == summary.query);
  CHECK(in_folder["bounding_box_test"] == summary.gallery + summary.junk);
  CHECK(queries.size() == 8);
  for (const auto& [key, count] : queries) CHECK(count == 1);
}

TEST_CASE("the same seed gives the same bytes with any number of threads, another seed does not",
          "[synthetic]") {
  const saccade::TestFolder folder;
  SetOptions options = small(folder / "a");
  options.threads = 1;
  make_image_set(options);
  options.out = folder / "b";
  options.threads = 3;
  make_image_set(options);
  CHECK(all_files(folder / "a") == all_files(folder / "b"));
  options.out = folder / "c";
  options.seed = 6;
  make_image_set(options);
  CHECK(all_files(folder / "a") != all_files(folder / "c"));
}

TEST_CASE("noise comes at the asked rates and leaves the rest of the plan as it was", "[synthetic]") {
  constexpr int kIds = 4000;
  const auto clean = synthetic::plan_attributes(kIds, {}, 3),
             noisy = synthetic::plan_attributes(kIds, {0.1, 0, 0}, 3);
  int64_t wrong = 0, moved = 0, noise_in_clean = 0;
  std::vector<int64_t> by_attribute(synthetic::kAttributes);
  for (int i = 0; i < kIds; ++i) {
    for (int a = 0; a < synthetic::kAttributes; ++a) {
      const auto& person = noisy.identities[i];
      wrong += person.truth[a] != person.annotated[a];
      by_attribute[a] += person.truth[a] != person.annotated[a];
      moved += person.truth[a] != clean.identities[i].truth[a];
      noise_in_clean += clean.identities[i].truth[a] != clean.identities[i].annotated[a];
    }
  }
  const double n = kIds * 12.0;
  CHECK(std::fabs(static_cast<double>(wrong) / n - 0.1) < 5 * std::sqrt(0.1 * 0.9 / n));
  for (const int64_t count : by_attribute) {
    CHECK(std::fabs(static_cast<double>(count) / kIds - 0.1) < 5 * std::sqrt(0.1 * 0.9 / kIds));
  }
  CHECK(moved == 0);
  CHECK(noise_in_clean == 0);
}

TEST_CASE("an undiscriminating attribute has one value for nearly everyone", "[synthetic]") {
  constexpr int kIds = 1000;
  const auto plan = synthetic::plan_attributes(kIds, {0, 0, 0.25}, 9);
  int undiscriminating = 0;
  for (int a = 0; a < synthetic::kAttributes; ++a) {
    std::map<int, int> count;
    int rare = 0;
    for (const auto& person : plan.identities) {
      ++count[person.truth[a]];
      rare += person.rare[a];
    }
    int most = 0;
    for (const auto& [value, times] : count) most = std::max(most, times);
    if (plan.undiscriminating[a]) {
      ++undiscriminating;
      CHECK(most == kIds - rare);
      CHECK(rare >= 1);
      CHECK(rare < 60);
    } else {
      CHECK(rare == 0);
      CHECK(most < 950);
    }
  }
  CHECK(undiscriminating == 3);
}

TEST_CASE("truth.json agrees with the files, with itself and with the rates", "[synthetic]") {
  const saccade::TestFolder folder;
  SetOptions options = small(folder / "set");
  options.ids = 24;
  options.cams = 3;
  const auto summary = make_image_set(options);
  const auto truth = truth_of(options.out);
  CHECK(truth["complete"] == true);
  CHECK(truth["identities"].size() == 24);
  CHECK(static_cast<int64_t>(truth["images"].size()) == summary.images());
  CHECK(truth["cameras"].size() == 3);
  CHECK(truth["undiscriminating"].size() == 3);
  CHECK(truth["noise"]["wrong"]["count"] == summary.wrong);

  std::map<int, nlohmann::json> identity;
  int64_t wrong = 0;
  for (const auto& person : truth["identities"]) {
    identity[person["id"]] = person;
    for (const auto& [name, value] : person["true"].items()) {
      const bool listed = std::count(person["wrong"].begin(), person["wrong"].end(), name) == 1;
      CHECK((person["annotated"][name] != value) == listed);
      wrong += listed;
    }
  }
  CHECK(wrong == summary.wrong);

  int64_t hidden = 0, clear = 0;
  double seen = 0;
  for (const auto& image : truth["images"]) {
    const std::string file = image["file"];
    int person = 0, camera = 0;
    REQUIRE(saccade::parse_image_name(file, &person, &camera));
    CHECK(fs::is_regular_file(fs::path(options.out) / file));
    CHECK(image["id"] == person);
    CHECK(image["camera"] == camera);
    for (const auto& occluder : image["occluders"]) {
      const auto& box = occluder["box"];
      CHECK((0 <= box[0] && box[0] < box[2] && box[2] <= 64));
      CHECK((0 <= box[1] && box[1] < box[3] && box[3] <= 128));
    }
    if (person > 0 && image["occluders"].empty()) {
      ++clear;
      seen += image["visible"]["upper"].get<double>();
    }
    for (const std::string& name : image["hidden"].get<std::vector<std::string>>()) {
      ++hidden;
      if (name == "hat" || name.find("bag") != std::string::npos || name == "backpack")
        CHECK(identity[person]["true"][name] == "yes");
      if (name == "upcolor") CHECK(image["visible"]["upper"] < 0.2);
      if (name == "downcolor") CHECK(image["visible"]["lower"] < 0.2);
    }
  }
  CHECK(hidden == summary.hidden);
  CHECK(clear > 50);
  CHECK(seen / static_cast<double>(clear) > 0.9);  // only the border of the box cuts anything off
  const auto n = static_cast<double>(summary.hidden_of);
  // Seven of the attributes go together in two groups, so the effective number of draws is about a third.
  CHECK(std::fabs(static_cast<double>(hidden) / n - 0.3) < 5 * std::sqrt(0.3 * 0.7 / (n / 3)));
}

TEST_CASE("the attribute file reads back with the annotated values", "[synthetic]") {
  const saccade::TestFolder folder;
  const SetOptions options = small(folder / "set");
  make_image_set(options);
  const std::string path = options.out + "/market_attribute.mat";

  const std::unique_ptr<mat_t, int (*)(mat_t*)> file(Mat_Open(path.c_str(), MAT_ACC_RDONLY), Mat_Close);
  REQUIRE(file);
  CHECK(Mat_GetVersion(file.get()) == MAT_FT_MAT5);
  const std::unique_ptr<matvar_t, void (*)(matvar_t*)> root(Mat_VarRead(file.get(), "market_attribute"),
                                                            Mat_VarFree);
  REQUIRE(root);
  std::vector<std::string> orders[2];
  const char* halves[] = {"train", "test"};
  const size_t people[] = {3, 4};
  for (int h = 0; h < 2; ++h) {
    matvar_t* half = Mat_VarGetStructFieldByName(root.get(), halves[h], 0);
    REQUIRE(half);
    char* const* names = Mat_VarGetStructFieldnames(half);
    for (unsigned f = 0; f < Mat_VarGetNumberOfFields(half); ++f) {
      orders[h].push_back(names[f]);
      const matvar_t* field = Mat_VarGetStructFieldByIndex(half, f, 0);
      CHECK(field->dims[0] == 1);
      CHECK(field->dims[1] == people[h]);
      CHECK(field->class_type == (orders[h].back() == "image_index" ? MAT_C_CELL : MAT_C_UINT8));
    }
  }
  CHECK(orders[0].size() == 28);
  CHECK(orders[0] != orders[1]);
  CHECK(std::set(orders[0].begin(), orders[0].end()) == std::set(orders[1].begin(), orders[1].end()));

  // The reader of the real files sees the annotations that truth.json states.
  const auto set = saccade::read_attributes(path);
  CHECK(set.train.pids == std::vector<int>{2, 4, 6});
  CHECK(set.test.pids == std::vector<int>{1, 3, 5, 7});
  const auto truth = truth_of(options.out);
  const auto& info = synthetic::attribute_table();
  for (const auto& person : truth["identities"]) {
    const auto& table = person["split"] == "train" ? set.train : set.test;
    const auto row =
        std::find(table.pids.begin(), table.pids.end(), person["id"].get<int>()) - table.pids.begin();
    for (int a = 0; a < synthetic::kAttributes; ++a) {
      const auto& names = info[a].values;
      const auto value =
          std::find(names.begin(), names.end(), person["annotated"][info[a].name].get<std::string>()) -
          names.begin();
      CHECK(table.values[row * synthetic::kAttributes + a] == value);
    }
  }
}

TEST_CASE("a folder with other things is refused, a finished set needs force, an unfinished one does not",
          "[synthetic]") {
  const saccade::TestFolder folder;
  SetOptions options = small(folder.path());
  std::ofstream(folder / "thesis.txt") << "mine";
  CHECK(refused(options, "not empty"));
  options.force = true;
  CHECK(refused(options, "not empty"));
  CHECK(fs::exists(folder / "thesis.txt"));

  options = small(folder / "set");
  make_image_set(options);
  CHECK(refused(options, "--force"));
  const auto before = all_files(options.out);
  options.force = true;
  options.ids = 4;
  make_image_set(options);
  CHECK(all_files(options.out).size() < before.size());

  // This is what a killed run leaves.
  options = small(folder / "set");
  std::ofstream(folder / "set/truth.json") << R"({"made_by":"saccade synthesize","complete":false})";
  make_image_set(options);
  CHECK(all_files(options.out) == before);

  options.out = folder / "thesis.txt";
  CHECK(refused(options, "thesis.txt"));
}

TEST_CASE("a file that cannot be written is an error that names it, and leaves nothing", "[synthetic]") {
  const saccade::TestFolder folder;
  const std::string bad = folder.path() + "/missing/x.mat";
  CHECK_THROWS_WITH(synthetic::write_market_attributes(bad, {}),
                    ContainsSubstring("x.mat") && ContainsSubstring("No such file"));
  const std::string taken = folder / "taken";
  fs::create_directories(taken + "/inside");
  CHECK_THROWS_WITH(synthetic::write_market_attributes(taken, {}), ContainsSubstring("taken"));
  CHECK_FALSE(fs::exists(taken + ".tmp"));
}

TEST_CASE("options out of range and malformed noise are refused by name", "[synthetic]") {
  const saccade::TestFolder folder;
  const auto with = [&](auto change) {
    SetOptions options = small(folder / "set");
    change(&options);
    return options;
  };
  CHECK(refused(with([](SetOptions* o) { o->ids = 1; }), "--ids"));
  CHECK(refused(with([](SetOptions* o) { o->ids = 10000; }), "--ids"));
  CHECK(refused(with([](SetOptions* o) { o->cams = 10; }), "--cams"));
  CHECK(refused(with([](SetOptions* o) { o->images_per_cam = 1; }), "--images-per-cam"));
  CHECK(refused(with([](SetOptions* o) { o->out.clear(); }), "--out"));
  CHECK_FALSE(fs::exists(folder / "set"));

  const auto rates = synthetic::parse_noise("hidden=0.25,wrong=1");
  CHECK(rates.hidden == 0.25);
  CHECK(rates.wrong == 1);
  CHECK(rates.rare == 0);
  for (const char* text : {"", "wrong", "wrong=", "wrong=2", "wrong=-0.1", "wrong=0.1x", "wrong=nan",
                           "other=0.1", "wrong=0.1,", "wrong=0.1;rare=0.2", "wrong=0.1,wrong=0.2"}) {
    CHECK_THROWS_AS(synthetic::parse_noise(text), saccade::InputError);
  }
}

TEST_CASE("a raster covers the area of its shapes", "[raster]") {
  using synthetic::Color;
  using synthetic::Raster;
  const Color white{1, 1, 1};
  const auto area = [](const Raster& raster) {
    double sum = 0;
    for (int y = 0; y < raster.height(); ++y) {
      for (int x = 0; x < raster.width(); ++x) sum += raster.at(y, x).g;
    }
    return sum;
  };
  Raster disc(40, 40), box(40, 40), capsule(40, 60), outside(10, 10);
  disc.ellipse({20.3f, 19.6f}, 12, 12, 1, [&](float, float) { return white; });
  CHECK(area(disc) == Approx(3.14159 * 144).epsilon(0.005));
  CHECK(disc.label(20, 20) == 1);
  CHECK(disc.label(0, 0) == 0);
  box.rounded_box({5.5f, 10, 25.25f, 31}, 0, 1, [&](float, float) { return white; });
  CHECK(area(box) == Approx(19.75 * 21).epsilon(0.02));
  capsule.tube(
      {15, 20}, {45, 20}, 6, true, 1, [](float) { return 6.0f; }, [&](float, float) { return white; });
  CHECK(area(capsule) == Approx(30 * 12 + 3.14159 * 36).epsilon(0.005));
  outside.ellipse({-50, 400}, 5, 5, 1, [&](float, float) { return white; });
  CHECK(area(outside) == 0);

  // Resampling and blurring keep the mean.
  const Raster smaller = synthetic::resample(disc, {0, 0, 40, 40}, 17, 13);
  CHECK(area(smaller) / (13 * 17) == Approx(area(disc) / 1600).epsilon(1e-4));
  Raster soft = disc;
  synthetic::blur(&soft, 1.5f, 0.7f);
  CHECK(area(soft) == Approx(area(disc)).epsilon(1e-3));
}
