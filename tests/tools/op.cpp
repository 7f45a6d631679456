#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "kernels/common/device.h"
#include "tensor/weights/safetensors.h"
#include "tests/common/catch.h"

using namespace saccade;

namespace {

struct Folder {
  Folder() {
    static int made = 0;
    path = std::filesystem::temp_directory_path() /
           ("saccade_op_" + std::to_string(getpid()) + "_" + std::to_string(made++));
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name) const { return (path / name).string(); }
  std::filesystem::path path;
};

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Outcome {
  int code;
  std::string out, error;
};

Outcome op(const Folder& folder, const std::string& arguments) {
  const std::string out = folder.file("stdout"), error = folder.file("stderr");
  const std::string command =
      std::string(SACCADE_BINARY_DIR) + "/tools/op " + arguments + " >" + out + " 2>" + error;
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(out), text_of(error)};
}

template <class T>
HostTensor tensor(const std::string& name, const std::vector<int64_t>& shape, const std::vector<T>& values) {
  HostTensor host{name, dtype_of<T>(), shape, std::vector<std::byte>(values.size() * sizeof(T))};
  std::memcpy(host.bytes.data(), values.data(), host.bytes.size());
  return host;
}

std::string written(const Folder& folder, const std::vector<HostTensor>& tensors) {
  const std::string path = folder.file("in.safetensors");
  write_safetensors(path, WeightFile{tensors, {}});
  return path;
}

template <class T>
std::vector<T> values(const WeightFile& file, const std::string& name) {
  const HostTensor* found = file.find(name);
  REQUIRE(found != nullptr);
  const auto span = found->values<T>();
  return {span.begin(), span.end()};
}

// Runs the op with --grad and returns what it wrote.
WeightFile run(const Folder& folder, const std::string& name_and_attributes,
               const std::vector<HostTensor>& tensors) {
  const std::string out = folder.file("out.safetensors");
  const Outcome outcome =
      op(folder, "run " + name_and_attributes + " --grad --in " + written(folder, tensors) + " --out " + out);
  INFO(outcome.error);
  REQUIRE(outcome.code == 0);
  return read_safetensors(out);
}

// The command fails with exit code 2 and one line that holds `reason`.
void refused(const Folder& folder, const std::string& arguments, const std::string& reason) {
  const Outcome outcome = op(folder, arguments);
  CHECK(outcome.code == 2);
  CHECK_THAT(outcome.error, ContainsSubstring(reason));
  CHECK(std::count(outcome.error.begin(), outcome.error.end(), '\n') == 1);
}

bool has_version(const std::string& name, const std::string& device) {
  const Folder folder;
  for (const auto& entry : nlohmann::json::parse(op(folder, "list --json").out))
    if (entry["name"] == name)
      for (const auto& has : entry["devices"])
        if (has == device) return true;
  return false;
}

using Floats = std::vector<float>;

}  // namespace

TEST_CASE("op: group_max by hand: a dropped group takes no part, ties go to the lowest, none kept gives 0") {
  const Folder folder;
  const WeightFile out = run(folder, "group_max --attr groups=2",
                             {tensor<float>("features", {2, 1, 1, 4}, {1, -5, 1, -2, 7, 8, 9, 10}),
                              tensor<uint8_t>("keep", {2, 2}, {1, 1, 0, 0}),
                              tensor<float>("grad_output", {2, 1, 1, 2}, {0.5f, 2, 3, 4})});
  CHECK(values<float>(out, "output") == Floats{1, -2, 0, 0});
  CHECK(values<float>(out, "grad_features") == Floats{0.5f, 0, 0, 2, 0, 0, 0, 0});
  CHECK(out.find("output")->shape == std::vector<int64_t>{2, 1, 1, 2});
}

TEST_CASE("op: group_max gives the same on simt, where this build has it") {
  if (!is_available(Device::simt)) return;
  const Folder folder;
  const WeightFile out =
      run(folder, "group_max --attr groups=2 --device simt",
          {tensor<float>("features", {1, 1, 1, 4}, {1, -5, 1, -2}), tensor<uint8_t>("keep", {1, 2}, {1, 1}),
           tensor<float>("grad_output", {1, 1, 1, 2}, {0.5f, 2})});
  CHECK(values<float>(out, "output") == Floats{1, -2});
  CHECK(values<float>(out, "grad_features") == Floats{0.5f, 0, 0, 2});
}

TEST_CASE("op: sigmoid_gate by hand, in f32 and in f64") {
  const Folder folder;
  const auto known = [&]<class T>(T) {
    const WeightFile out =
        run(folder, "sigmoid_gate",
            {tensor<T>("feature", {1, 1, 2, 1}, {2, -4}), tensor<T>("logits", {1, 1, 2, 1}, {1, -1}),
             tensor<T>("bias", {1}, {static_cast<T>(-1)}), tensor<T>("grad_output", {1, 1, 2, 1}, {1, 10})});
    const double low = 1 / (1 + std::exp(2.0));
    const auto output = values<T>(out, "output"), grad_bias = values<T>(out, "grad_bias");
    CHECK(static_cast<double>(output[0]) == Approx(3.0));
    CHECK(static_cast<double>(output[1]) == Approx(-4 * low - 4));
    CHECK(static_cast<double>(grad_bias[0]) == Approx(2 * 0.25 + 10 * -4 * low * (1 - low)));
    CHECK(static_cast<double>(values<T>(out, "grad_feature")[1]) == Approx(10 * (1 + low)));
  };
  known(float());
  known(double());
}

TEST_CASE("op: bin_pool by hand") {
  const Folder folder;
  const WeightFile out =
      run(folder, "bin_pool --attr bin_t=1 --attr bin_h=1 --attr bin_w=2",
          {tensor<float>("features", {1, 1, 2, 3, 1}, {1, 2, 3, 4, 5, 7}),
           tensor<int32_t>("corner", {1, 3}, {0, 1, 1}), tensor<float>("grad_output", {1, 1}, {8})});
  CHECK(values<float>(out, "output") == Floats{6});
  CHECK(values<float>(out, "grad_features") == Floats{0, 0, 0, 0, 4, 4});
}

TEST_CASE("op: batch_hard_triplet by hand; with no negative the index is -1 and the term 0") {
  const Folder folder;
  const WeightFile out =
      run(folder, "batch_hard_triplet --attr margin=0.5",
          {tensor<float>("embeddings", {3, 1}, {0, 3, 4}), tensor<int64_t>("labels", {3}, {5, 5, 6}),
           tensor<float>("grad_loss", {1}, {3})});
  // Terms: 3 - 4 + 0.5 and 0 - 1 + 0.5 are below 0; 3 - 1 + 0.5 = 2.5 counts, as one of three.
  CHECK(values<float>(out, "loss")[0] == Approx(2.5 / 3));
  CHECK(values<int64_t>(out, "positive") == std::vector<int64_t>{1, 0, 2});
  CHECK(values<int64_t>(out, "negative") == std::vector<int64_t>{2, 2, 1});
  CHECK(values<float>(out, "grad_embeddings") == Floats{-1, 2, -1});
  const WeightFile alone =
      run(folder, "batch_hard_triplet --attr margin=1",
          {tensor<float>("embeddings", {2, 1}, {0, 3}), tensor<int64_t>("labels", {2}, {5, 5}),
           tensor<float>("grad_loss", {1}, {1})});
  CHECK(values<float>(alone, "loss") == Floats{0});
  CHECK(values<int64_t>(alone, "negative") == std::vector<int64_t>{-1, -1});
}

TEST_CASE("op: conv_norm_relu by hand, a composite, in eval mode") {
  const Folder folder;
  // z = 2 x; y = max(3 (z - 1) / sqrt(3 + 1) + 0.5, 0) of x = 1 and -1.
  const WeightFile out =
      run(folder, "conv_norm_relu --attr mode=1 --attr eps=1",
          {tensor<float>("x", {1, 1, 2, 1}, {1, -1}), tensor<float>("weight", {1, 1, 1, 1}, {2}),
           tensor<float>("gamma", {1}, {3}), tensor<float>("beta", {1}, {0.5f}),
           tensor<float>("running_mean", {1}, {1}), tensor<float>("running_var", {1}, {3}),
           tensor<float>("grad_y", {1, 1, 2, 1}, {1, 10})});
  CHECK(values<float>(out, "y") == Floats{2, 0});
  CHECK(values<float>(out, "grad_x") == Floats{3, 0});
  CHECK(values<float>(out, "grad_weight") == Floats{1.5f});
  CHECK(values<float>(out, "grad_gamma") == Floats{0.5f});
  CHECK(values<float>(out, "grad_beta") == Floats{1});
  CHECK(values<float>(out, "new_running_var") == Floats{3});
}

TEST_CASE("op list names every op with its ports and its contract") {
  const Folder folder;
  const Outcome outcome = op(folder, "list --json");
  REQUIRE(outcome.code == 0);
  const auto array = nlohmann::json::parse(outcome.out);
  bool found = false;
  for (const auto& entry : array) {
    for (const char* key : {"name", "inputs", "outputs", "attrs", "devices", "contract"})
      CHECK(entry.contains(key));
    if (entry["name"] != "bin_pool") continue;
    found = true;
    CHECK(entry["inputs"] == nlohmann::json({"features", "corner"}));
    CHECK(entry["attrs"] == nlohmann::json({"bin_t", "bin_h", "bin_w"}));
    CHECK(entry["devices"][0] == "cpu");
    CHECK(entry["contract"] == "kernels/pool/bin_pool.h");
  }
  CHECK(found);
  CHECK_THAT(op(folder, "list").out, ContainsSubstring("kernels/pool/bin_pool.h\n"));
  CHECK(op(folder, "--help").code == 0);
}

TEST_CASE("op: cross_entropy names a label that is no class, in f32 and in f64") {
  const Folder folder;
  const auto labeled = [&]<class T>(T, int64_t label) {
    return "run cross_entropy --in " +
           written(folder, {tensor<T>("logits", {3, 4}, std::vector<T>(12, T(1))),
                            tensor<int64_t>("labels", {3}, {3, -1, label})}) +
           " --out " + folder.file("out.safetensors");
  };
  for (int64_t label : {int64_t{4}, int64_t{-2}, int64_t{1} << 40, std::numeric_limits<int64_t>::min()}) {
    const std::string reason = "labels[2] = " + std::to_string(label) + " is neither in 0..3 nor -1";
    refused(folder, labeled(float(), label), reason);
    refused(folder, labeled(double(), label), reason);
    if (is_available(Device::simt) && has_version("cross_entropy", "simt"))
      refused(folder, labeled(float(), label) + " --device simt", reason);
  }
  CHECK(op(folder, labeled(float(), 0)).code == 0);
}

TEST_CASE("op refuses what does not fit, in one line that says why") {
  const Folder folder;
  const HostTensor features = tensor<float>("features", {1, 1, 1, 4}, {1, 2, 3, 4});
  const HostTensor keep = tensor<uint8_t>("keep", {1, 2}, {1, 1});
  const std::string out = " --out " + folder.file("out.safetensors");
  const auto with = [&](const std::vector<HostTensor>& tensors) {
    return " --in " + written(folder, tensors) + out;
  };
  const std::string max = "run group_max --attr groups=2";

  refused(folder, "run group_maks --attr groups=2" + with({features, keep}), "the nearest is group_max");
  refused(folder, "run group_max" + with({features, keep}), "needs the attribute groups");
  refused(folder, "run group_max --attr grups=2" + with({features, keep}), "groups");
  refused(folder, max + " --attr color=2" + with({features, keep}), "no attribute color");
  refused(folder, "run group_max --attr groups=two" + with({features, keep}), "not a number");
  refused(folder, "run group_max --attr groups=1.5" + with({features, keep}), "not a whole number");
  refused(folder, "run group_max --attr groups=3" + with({features, keep}), "3 groups");
  refused(folder, "run group_max --attr groups=0" + with({features, keep}), "not in 1..255");
  refused(folder, "run group_max --attr groups" + with({features, keep}), "key=value");
  refused(folder, max + with({features}), "no tensor keep");
  refused(folder, max + with({features, keep, tensor<float>("kep", {1}, {0})}), "no tensor 'kep'");
  refused(folder, max + with({features, tensor<int32_t>("keep", {1, 2}, {1, 1})}), "keep is i32, not u8");
  refused(folder, max + with({tensor<int32_t>("features", {1, 1, 1, 4}, {1, 2, 3, 4}), keep}),
          "features is i32");
  refused(folder, max + with({tensor<float>("features", {1, 4}, {1, 2, 3, 4}), keep}), "[1,4]");
  refused(folder, max + with({features, tensor<uint8_t>("keep", {2, 1}, {1, 1})}), "keep has shape [2,1]");
  refused(folder, max + " --grad" + with({features, keep}), "no tensor grad_output");
  refused(folder, max + " --grad" + with({features, keep, tensor<float>("grad_output", {2}, {1, 1})}),
          "grad_output has shape");
  refused(folder,
          max + " --grad" + with({features, keep, tensor<double>("grad_output", {1, 1, 1, 2}, {1, 1})}),
          "is f64");
  refused(folder, max + " --device tpu" + with({features, keep}), "none of cpu, simt, cuda");
  refused(folder, max + " --in " + folder.file("nowhere.safetensors") + out, "nowhere.safetensors");
  refused(folder, "run", "--help");
  refused(folder, "", "--help");
  refused(folder,
          "run bin_pool --attr bin_t=1 --attr bin_h=1 --attr bin_w=1" +
              with({tensor<float>("features", {1, 1, 1, 2, 1}, {1, 2}),
                    tensor<int32_t>("corner", {1, 3}, {0, 0, 2})}),
          "leaves the volume");
  refused(folder,
          "run gather_rows" + with({tensor<float>("x", {2, 1}, {1, 2}), tensor<int64_t>("index", {1}, {2})}),
          "index[0] = 2");
  refused(folder,
          "run scatter_add_rows --attr rows=2" +
              with({tensor<float>("x", {1, 1}, {1}), tensor<int64_t>("index", {1}, {-1})}),
          "index[0] = -1");
  refused(folder,
          "run sigmoid_gate" +
              with({tensor<float>("feature", {1, 1, 1, 1}, {1}), tensor<double>("logits", {1, 1, 1, 1}, {1}),
                    tensor<float>("bias", {1}, {1})}),
          "logits is f64 but feature is f32");
  std::ofstream(folder.file("broken.safetensors")) << "12345";
  refused(folder, max + " --in " + folder.file("broken.safetensors") + out, "broken.safetensors");
}

TEST_CASE("op: an output that cannot be written is refused before the work, and what lies there stays") {
  const Folder folder;
  const std::string in = written(folder, {tensor<float>("x", {2}, {1, 2})});
  REQUIRE(mkfifo(folder.file("fifo").c_str(), 0600) == 0);
  refused(folder, "run relu --in " + in + " --out " + folder.file("fifo"), "fifo: is not a regular file");
  CHECK(std::filesystem::is_fifo(folder.path / "fifo"));
  refused(folder, "run relu --in " + in + " --out " + folder.path.string(), "is a folder");
  // Known before the input is read.
  refused(folder, "run relu --in /nowhere --out " + folder.file("no/such/out"),
          "no/such/out: cannot write here");
}

TEST_CASE("op: a flag is 0, 1, true or false") {
  const Folder folder;
  const std::string in =
      written(folder, {tensor<float>("embeddings", {2, 1}, {0, 3}), tensor<int64_t>("labels", {2}, {1, 1})});
  const std::string files = " --in " + in + " --out " + folder.file("out.safetensors");
  const auto loss = [&](const std::string& squared) {
    const Outcome outcome =
        op(folder, "run batch_hard_triplet --attr margin=1 --attr squared=" + squared + files);
    INFO(outcome.error);
    REQUIRE(outcome.code == 0);
    return values<float>(read_safetensors(folder.file("out.safetensors")), "loss");
  };
  CHECK(loss("true") == loss("1"));
  CHECK(loss("false") == loss("0"));
  const std::string command = "run batch_hard_triplet --attr margin=1";
  refused(folder, command + " --attr squared=7" + files, "squared is 0, 1, true or false, not 7");
  refused(folder, command + " --attr squared=0.5" + files, "squared is 0, 1, true or false");
  refused(folder, "run batch_hard_triplet --attr margin=true" + files, "'true' is not a number");
}
