// Pictures that are damaged, flawed, held the other way, or in other formats, as the programs meet them.
#include <nlohmann/json.hpp>

#include "reid/run/run.h"
#include "reid/systems.h"
#include "tensor/weights/safetensors.h"
#include "tests/reid/jpeg_files.h"
#include "tests/tools/training.h"

using namespace saccade;

namespace {

const std::string kParts[] = {"bounding_box_train", "query", "bounding_box_test"};

// A copy of the small set, and the sorted pictures of its parts.
struct Copy {
  std::string name;

  explicit Copy(std::string name_) : name(std::move(name_)) {
    fs::copy(in_folder("baseline_data"), in_folder(name), fs::copy_options::recursive);
  }
  std::vector<std::string> files(const std::string& part) const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(in_folder(name + "/" + part)))
      if (entry.path().extension() == ".jpg" && !entry.path().filename().string().starts_with("-1"))
        found.push_back(entry.path().string());
    std::sort(found.begin(), found.end());
    return found;
  }
  void change(const std::string& path, const std::function<std::string(const std::string&)>& how) const {
    const std::string changed = how(contents(path));
    std::ofstream(path, std::ios::binary) << changed;
  }
  // Arguments of a short training on it.
  std::string training(const std::string& more = "") const {
    return "--config " + in_folder("baseline.json") + " --data " + in_folder(name) + " --out " +
           in_folder(name + "_out") + " --seed 5 --threads 2 --max-steps 2 " + more;
  }
};

std::string cut(const std::string& file) {
  return file.substr(0, file.size() / 2);
}
std::string name_of(const std::string& path) {
  return fs::path(path).filename().string();
}

}  // namespace

TEST_CASE("what every viewer opens does not stop a training, and is told in one line") {
  const Copy copy("flawed");
  const std::vector<std::string> train = copy.files("bounding_box_train");
  copy.change(train[0], with_stray_marker);
  copy.change(train[1], with_stray_bytes);
  copy.change(train[2], without_end);
  const Output output = succeeds("train", copy.training());
  CHECK_THAT(output.errors, ContainsSubstring("2 pictures have small flaws and are used all the same") &&
                                ContainsSubstring(name_of(train[1])));
  CHECK(output.errors.find("Corrupt") == output.errors.rfind("Corrupt"));  // and libjpeg itself says nothing
  CHECK_THAT(output.errors, ContainsSubstring("reading pictures"));
}

TEST_CASE("the pictures of a camera that was held the other way are turned, and can be left as they lie") {
  const Copy copy("turned");
  for (const std::string& path : copy.files("query"))
    copy.change(path, [](const std::string& file) { return with_orientation(file, 6, false); });
  const Output train = succeeds("train", copy.training());
  const auto count = copy.files("query").size();
  CHECK_THAT(train.errors, ContainsSubstring(std::to_string(count) + " pictures are turned"));

  const auto features = [&](const std::string& data, const std::string& more) {
    const std::string file = in_folder("turned.safetensors");
    succeeds("extract", "--checkpoint " + in_folder("turned_out") + " --images " +
                            in_folder(data + "/query") + " --out " + file + " " + more);
    return read_safetensors(file).find("features")->bytes;
  };
  const auto upright = features("baseline_data", "");
  CHECK(features("turned", "--set data.orientation=ignore") == upright);
  CHECK(features("turned", "") != upright);
  check_refused(run("train", copy.training("--resume --set data.orientation=ignore")), {"data.orientation"});
}

TEST_CASE("damaged pictures of all parts are named at once, or left out of training and evaluation") {
  const Copy copy("skipped"), without("removed");
  std::vector<std::string> damaged;
  for (const std::string& part : kParts) {
    damaged.push_back(copy.files(part).at(1));
    copy.change(damaged.back(), cut);
    fs::remove(without.files(part).at(1));
  }
  check_refused(run("train", copy.training()),
                {"3 pictures cannot be read", "data.damaged=skip", damaged[0], damaged[1], damaged[2]});

  // With them left out the run has the bits of one on a folder without them.
  const Output output = succeeds("train", copy.training("--set data.damaged=skip"));
  CHECK_THAT(output.errors, ContainsSubstring("left out 3 pictures"));
  succeeds("train", without.training("--set data.damaged=skip"));
  check_same_end("skipped_out", "removed_out");
  succeeds("train", copy.training("--resume --set data.damaged=skip"));

  const std::string of = "--checkpoint " + in_folder("removed_out") + " --data " + in_folder("skipped");
  check_refused(run("evaluate", of + " --set data.damaged=stop"),
                {"2 pictures cannot be read", damaged[1], damaged[2]});
  const Output scores = succeeds("evaluate", of + " --json");
  CHECK_THAT(scores.errors, ContainsSubstring("left out 2 pictures"));
  CHECK(scores.out == succeeds("evaluate", "--checkpoint " + in_folder("removed_out") + " --data " +
                                               in_folder("removed") + " --json")
                          .out);

  // A picture that was damaged when the run began, and is not any more, is another training set.
  fs::copy_file(in_folder("baseline_data/bounding_box_train/" + name_of(damaged[0])), damaged[0],
                fs::copy_options::overwrite_existing);
  check_refused(run("train", copy.training("--resume --set data.damaged=skip")), {"other pictures"});
}

TEST_CASE("extract leaves damaged pictures out together with their names") {
  const Copy copy("extracted");
  succeeds("train", copy.training());
  const std::string damaged = copy.files("query").at(2);
  const auto extracted = [&](const std::string& more) {
    const std::string file = in_folder("extracted.safetensors");
    const Output output =
        succeeds("extract", "--checkpoint " + in_folder("extracted_out") + " --images " +
                                in_folder("extracted/query") + " --out " + file + " " + more);
    return std::pair(read_safetensors(file), output.errors);
  };
  const WeightFile all = extracted("").first;
  copy.change(damaged, cut);
  fs::copy_file(damaged, in_folder("extracted/query/0001_c1.webp"));
  check_refused(run("extract", "--checkpoint " + in_folder("extracted_out") + " --images " +
                                   in_folder("extracted/query") + " --out " + in_folder("x.safetensors")),
                {"1 pictures cannot be read", damaged});
  CHECK_FALSE(fs::exists(in_folder("x.safetensors")));

  const auto [fewer, errors] = extracted("--set data.damaged=skip");
  CHECK_THAT(errors, ContainsSubstring("left out 1 pictures") && ContainsSubstring(name_of(damaged)));
  CHECK_THAT(errors, ContainsSubstring("1 pictures are in formats that are not read; convert them, e.g. with "
                                       "ImageMagick: convert 0001_c1.webp"));
  const auto names = [](const WeightFile& file) {
    return nlohmann::json::parse(file.metadata.at("files")).get<std::vector<std::string>>();
  };
  std::vector<std::string> expected = names(all);
  REQUIRE(expected.at(2) == name_of(damaged));
  expected.erase(expected.begin() + 2);
  CHECK(names(fewer) == expected);
  std::vector<float> features(all.find("features")->values<float>().begin(),
                              all.find("features")->values<float>().end());
  const int64_t size = all.find("features")->shape[1];
  features.erase(features.begin() + 2 * size, features.begin() + 3 * size);
  const auto found = fewer.find("features")->values<float>();
  CHECK(std::equal(features.begin(), features.end(), found.begin(), found.end()));
  CHECK(fewer.find("pids")->shape[0] == static_cast<int64_t>(expected.size()));
}

TEST_CASE("a picture that is gone when it is wanted ends a run that can go on once it is there again") {
  const Copy copy("vanishing");
  const System& baseline = system_named("baseline", "");
  RunOptions options;
  options.config = {in_folder("baseline.json"), {"checkpoint.every_steps=0", "checkpoint.every_epochs=0"}};
  options.data = in_folder("vanishing");
  options.out = in_folder("calm_out");
  options.seed = 5;
  options.threads = 2;
  baseline.train(options);

  options.out = in_folder("vanishing_out");
  const std::string path = copy.files("query").at(1), aside = in_folder("aside.jpg");
  options.progress = [&](int64_t step, int64_t, double) {
    if (step == 2) fs::rename(path, aside);
  };
  const std::string error = input_error_of([&] { baseline.train(options); });
  CHECK_THAT(error, ContainsSubstring(path) &&
                        EndsWith("--resume goes on from " + last_checkpoint("vanishing_out").path));
  fs::rename(aside, path);
  options.progress = {};
  options.resume = true;
  baseline.train(options);
  check_same_end("vanishing_out", "calm_out");
}
