// The program evaluate as its users call it: exit codes, one line on stderr, JSON on stdout.
#include <cmath>
#include <nlohmann/json.hpp>

#include "tensor/weights/safetensors.h"
#include "tests/tools/program.h"

namespace saccade {
namespace {

Output run_evaluate(const TestFolder& folder, const std::string& arguments) {
  return run_program(folder, "evaluate", arguments);
}

struct Features {
  std::vector<float> features;
  std::vector<int64_t> pids, camids;

  std::string write(const std::string& path) const {
    const auto n = static_cast<int64_t>(pids.size());
    const TensorView tensors[] = {
        {"features",
         DType::f32,
         {n, static_cast<int64_t>(features.size()) / std::max<int64_t>(n, 1)},
         features.data()},
        {"pids", DType::i64, {n}, pids.data()},
        {"camids", DType::i64, {static_cast<int64_t>(camids.size())}, camids.data()}};
    write_safetensors(path, tensors, {});
    return path;
  }
};

void check_refused(const Output& run, const std::string& reason) {
  saccade::check_refused(run, {reason});
  CHECK(std::count(run.errors.begin(), run.errors.end(), '\n') == 1);
}

const Features kQuery{{0, 0, 5, 5}, {7, 9}, {1, 1}};
const Features kGallery{{1, 0, 0, 3, 2, 0}, {8, 7, -1}, {2, 2, 2}};

}  // namespace

TEST_CASE("evaluate: features in, the seven keys out", "[evaluate]") {
  const TestFolder folder;
  const std::string files = "--query " + kQuery.write(folder / "q.safetensors") + " --gallery " +
                            kGallery.write(folder / "g.safetensors");
  const Output run = run_evaluate(folder, files + " --json");
  REQUIRE(run.code == 0);
  const auto json = nlohmann::json::parse(run.out);
  CHECK(json.size() == 7);
  CHECK(json["mAP"] == 0.5);
  CHECK(json["mAP_trapezoid"] == 0.25);
  CHECK(json["mINP"] == 0.5);
  CHECK(json["cmc"] == std::vector<double>{0, 1, 1});
  CHECK(json["queries"] == 2);
  CHECK(json["valid_queries"] == 1);
  CHECK(json["gallery"] == 3);

  const Output table = run_evaluate(folder, files);
  CHECK(table.code == 0);
  CHECK_THAT(table.out, ContainsSubstring("mAP             0.5000"));
  CHECK_THAT(table.out, ContainsSubstring("1 queries had no correct gallery image"));
  CHECK(run_evaluate(folder, files + " --metric cosine --rerank --json").code == 0);
  CHECK(run_evaluate(folder, files + " --single-shot").code == 0);
}

TEST_CASE("evaluate: distances in", "[evaluate]") {
  const TestFolder folder;
  const float distances[] = {2, 1, 3};
  const int64_t q = 7, qc = 1, g[] = {7, 8, 7}, gc[] = {2, 2, 1}, wide[] = {1, 2, 3, 4};
  std::vector<TensorView> tensors = {{"distances", DType::f32, {1, 3}, distances},
                                     {"query_pids", DType::i64, {1}, &q},
                                     {"query_camids", DType::i64, {1}, &qc},
                                     {"gallery_pids", DType::i64, {3}, g},
                                     {"gallery_camids", DType::i64, {3}, gc}};
  const std::string path = folder / "d.safetensors";
  write_safetensors(path, tensors, {});
  const Output run = run_evaluate(folder, "--distances " + path + " --json");
  REQUIRE(run.code == 0);
  CHECK(nlohmann::json::parse(run.out)["mAP"] == 0.5);
  check_refused(run_evaluate(folder, "--distances " + path + " --rerank"), "--rerank");
  check_refused(run_evaluate(folder, "--distances " + path + " --metric cosine"), "--metric");

  tensors[4] = {"gallery_camids", DType::i64, {4}, wide};
  write_safetensors(path, tensors, {});
  check_refused(run_evaluate(folder, "--distances " + path),
                path + ": 'gallery_camids' is [4], which does not fit 'distances' [1,3]");
  tensors.pop_back();
  write_safetensors(path, tensors, {});
  check_refused(run_evaluate(folder, "--distances " + path), path + ": there is no tensor 'gallery_camids'");
}

TEST_CASE("evaluate: bad usage and bad files end with exit code 2 and one line", "[evaluate]") {
  const TestFolder folder;
  const std::string query = kQuery.write(folder / "q.safetensors"),
                    gallery = kGallery.write(folder / "g.safetensors");
  const auto with_gallery = [&](const std::string& path) {
    return run_evaluate(folder, "--query " + query + " --gallery " + path);
  };
  check_refused(run_evaluate(folder, ""), "nothing to evaluate");
  check_refused(run_evaluate(folder, "--query " + query), "--gallery");
  check_refused(run_evaluate(folder, "--nonsense"), "--nonsense");
  check_refused(run_evaluate(folder, "--query " + query + " --gallery " + gallery + " --metric euclid"),
                "euclid not in {euclidean,cosine}");
  check_refused(with_gallery(folder / "missing"), "missing");
  check_refused(with_gallery(folder.write("text", "no tensors")),
                "text: not a safetensors file, but a text file, which begins with 'no tensors'");
  check_refused(with_gallery(folder.write("a.npy", "\x93NUMPY\x01 and so on")),
                "a.npy: not a safetensors file, but a NumPy .npy file");
  const std::string as_checkpoint = "--data . --checkpoint ";
  check_refused(
      run_evaluate(folder, as_checkpoint + SACCADE_SOURCE_DIR + "/tests/goldens/weights/plain.pth"),
      "plain.pth: not a checkpoint of a training run (other weights go to evaluate and extract by --weights");
  check_refused(run_evaluate(folder, as_checkpoint + query),
                "q.safetensors: not a checkpoint of a training run");
  check_refused(run_evaluate(folder, as_checkpoint + folder / "a.npy"),
                "a.npy: neither a safetensors file nor a PyTorch .pth, but a NumPy .npy file");
  check_refused(with_gallery(folder.write("zero", "")), "zero");

  Features bad = kGallery;
  bad.camids.pop_back();
  check_refused(with_gallery(bad.write(folder / "bad")),
                "bad: 'camids' is [2], which does not fit 'features' [3,2]");
  bad = kGallery;
  bad.features = {1, 2, 3};
  check_refused(with_gallery(bad.write(folder / "narrow")),
                "narrow: features of width 1, but those of " + query);
  bad.features = {1, 2, 3, 4, 5, NAN};
  check_refused(with_gallery(bad.write(folder / "nan")), "nan: the features of image 2 hold NaN");
  bad = {{}, {}, {}};
  check_refused(with_gallery(bad.write(folder / "empty")), "empty");
  bad = kGallery;
  bad.pids = {1, 2, 3};
  check_refused(with_gallery(bad.write(folder / "others")), "none of the query persons is in it");

  const std::vector<int32_t> narrow_pids = {1, 2, 3};
  const TensorView tensors[] = {{"features", DType::f32, {3, 2}, kGallery.features.data()},
                                {"pids", DType::i32, {3}, narrow_pids.data()},
                                {"camids", DType::i64, {3}, kGallery.camids.data()}};
  write_safetensors(folder / "i32", tensors, {});
  check_refused(with_gallery(folder / "i32"), "i32: 'pids' must be i64, but is i32");
  const TensorView flat[] = {{"features", DType::f32, {6}, kGallery.features.data()},
                             {"pids", DType::i64, {3}, kGallery.pids.data()},
                             {"camids", DType::i64, {3}, kGallery.camids.data()}};
  write_safetensors(folder / "flat", flat, {});
  check_refused(with_gallery(folder / "flat"), "flat: 'features' must have 2 dimensions, but is [6]");
  const std::string files = "--query " + query + " --gallery " + gallery;
  check_refused(run_evaluate(folder, files + " --metric 1"), "1 not in");
  // Options that would do nothing are no options.
  check_refused(run_evaluate(folder, files + " --device cpu"), "--device: of a network");
  check_refused(run_evaluate(folder, files + " --precision bf16"), "--precision: of a network");
  check_refused(run_evaluate(folder, files + " --flip"), "--flip: of a network");
  check_refused(run_evaluate(folder, files + " --seed 1"), "--seed requires --single-shot");
  check_refused(run_evaluate(folder, files + " --single-shot --seed -1"), "--seed: -1 is not a whole number");
  CHECK(run_evaluate(folder, files + " --single-shot --seed 1").code == 0);
  const Output help = run_evaluate(folder, "--help");
  CHECK(help.code == 0);
  CHECK_THAT(help.out, ContainsSubstring("{euclidean,cosine}"));
}

}  // namespace saccade
