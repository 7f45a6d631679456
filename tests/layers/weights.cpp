// Weights find their parameters by name, whatever a program put before the names.
#include "layers/weights.h"

#include <cstring>

#include "tests/common/catch.h"

using namespace saccade;

namespace {

HostTensor tensor(const std::string& name, std::vector<int64_t> shape, float value = 1) {
  HostTensor out{name, DType::f32, std::move(shape), {}};
  const auto bytes = static_cast<size_t>(byte_count(out.dtype, out.shape));
  out.bytes.resize(bytes);
  for (size_t i = 0; i < bytes; i += sizeof value) std::memcpy(out.bytes.data() + i, &value, sizeof value);
  return out;
}

// A file of the network below, with `prefix` before every name.
WeightFile file_of(const std::string& prefix, float value = 1) {
  WeightFile file;
  file.tensors = {tensor(prefix + "conv1.weight", {4, 3, 2, 2}, value),
                  tensor(prefix + "bn1.weight", {4}, value), tensor(prefix + "bn1.running_mean", {4}, value),
                  tensor(prefix + "bn1.num_batches_tracked", {}, value),
                  tensor(prefix + "fc.weight", {5, 4}, value)};
  return file;
}

WeightFile operator+(WeightFile a, const WeightFile& b) {
  a.tensors.insert(a.tensors.end(), b.tensors.begin(), b.tensors.end());
  a.unread.insert(b.unread.begin(), b.unread.end());
  return a;
}

struct Network {
  Context context{Device::cpu, 0, 1};
  ParameterArena arena;

  explicit Network(const std::string& prefix = "") {
    const auto zeros = [](float* values, int64_t count, PhiloxStream&) {
      std::fill(values, values + count, 0.f);
    };
    arena.add(prefix + "conv1.weight", {4, 2, 2, 3}, zeros);
    arena.add(prefix + "bn1.weight", {4}, zeros);
    arena.add_buffer(prefix + "bn1.running_mean", {4}, zeros);
    arena.add(prefix + "fc.weight", {5, 4}, zeros);
    arena.allocate(context, 1);
  }
  LoadReport load(const WeightFile& file) { return load_weights(context, arena, file); }
  float first(const std::string& name) { return arena.find(name)->value.to_host<float>(context)[0]; }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("the names of a file may have any prefix before those of the network") {
  for (const char* prefix : {"", "base.", "backbone.", "module.", "module.model.base.", "net.", "ema.module.",
                             "network.weights.", "0.", "a.b.c.d.e.f.g.h."}) {
    INFO(prefix);
    Network network;
    const LoadReport report = network.load(file_of(prefix, 3));
    CHECK(report.loaded == 4);
    CHECK(report.file_prefix == prefix);
    CHECK(report.network_prefix.empty());
    CHECK(report.missing.empty());
    CHECK(report.unexpected.empty());
    CHECK(network.first("fc.weight") == 3.f);
    CHECK(network.first("bn1.running_mean") == 3.f);
    if (*prefix) CHECK_THAT(report.text(), ContainsSubstring(concat("under '", prefix, "'")));
  }
}

TEST_CASE("the names of a network may have a prefix that the file lacks") {
  for (const char* prefix : {"backbone.", "student.base."}) {
    INFO(prefix);
    Network network(prefix);
    const LoadReport report = network.load(file_of("", 3));
    CHECK(report.loaded == 4);
    CHECK(report.network_prefix == prefix);
    CHECK(report.file_prefix.empty());
    CHECK(network.first(prefix + std::string("fc.weight")) == 3.f);
    CHECK_THAT(report.text(), ContainsSubstring(concat("the network has under '", prefix, "'")));
  }
}

TEST_CASE("the prefix under which most parameters fit is taken") {
  Network network;
  // A part of the network, then the whole, then the optimizer's copy of a part.
  WeightFile file = file_of("teacher.", 2);
  file.tensors.resize(2);
  file = file + file_of("net.module.", 3) + file_of("optimizer.", 4);
  file.tensors.pop_back();
  LoadReport report = network.load(file);
  CHECK(report.file_prefix == "net.module.");
  CHECK(report.loaded == 4);
  CHECK(network.first("conv1.weight") == 3.f);
  CHECK(report.unexpected == Names{"teacher.conv1.weight", "teacher.bn1.weight", "optimizer.conv1.weight",
                                   "optimizer.bn1.weight", "optimizer.bn1.running_mean"});

  // Equal shapes count and names alone do not.
  file = file_of("small.");
  for (HostTensor& small : file.tensors) small = tensor(small.name, {2}, 2);
  CHECK(network.load(file + file_of("a.large.", 4)).file_prefix == "a.large.");
  CHECK(network.first("fc.weight") == 4.f);
  // Of equals the shorter, then the first in the file.
  CHECK(network.load(file_of("model.ema.", 5) + file_of("", 6)).file_prefix == "");
  CHECK(network.load(file_of("model.ema.", 5) + file_of("teacher.", 6)).file_prefix == "teacher.");
  CHECK(network.load(file_of("model.", 5) + file_of("ema.", 6)).file_prefix == "model.");
  CHECK(network.first("fc.weight") == 5.f);

  // A prefix ends at a dot: "my_conv1.weight" is not "my_" and the network's name.
  CHECK(network.load(file_of("my_")).loaded == 0);
}

TEST_CASE("the parts of a residual network may have numbers, as nn.Sequential gives them") {
  Context context(Device::cpu, 0, 1);
  ParameterArena arena;
  const auto zeros = [](float* values, int64_t count, PhiloxStream&) {
    std::fill(values, values + count, 0.f);
  };
  for (const std::string name : {"conv1.weight", "bn1.weight", "layer1.0.bn1.weight", "layer1.1.bn1.weight",
                                 "layer4.0.bn1.weight", "neck.weight"})
    arena.add(name, {3}, zeros);
  arena.allocate(context, 1);
  for (const std::string prefix : {"", "module.base."}) {
    WeightFile file;
    float value = 1;
    for (const std::string name :
         {"0.weight", "1.weight", "4.0.bn1.weight", "4.1.bn1.weight", "7.0.bn1.weight"})
      file.tensors.push_back(tensor(prefix + name, {3}, value++));
    const LoadReport report = load_weights(context, arena, file);
    CHECK(report.by_place);
    CHECK(report.file_prefix == prefix);
    CHECK(report.loaded == 5);
    CHECK(report.missing == Names{"neck.weight"});
    CHECK(report.unexpected.empty());
    CHECK(arena.find("layer1.1.bn1.weight")->value.to_host<float>(context)[0] == 4.f);
    CHECK(arena.find("layer4.0.bn1.weight")->value.to_host<float>(context)[0] == 5.f);
    CHECK_THAT(report.text(), ContainsSubstring("by the places of an nn.Sequential"));
  }
  // Numbers inside of proper names stay.
  WeightFile file;
  for (const std::string name : {"conv1.weight", "bn1.weight", "layer1.0.bn1.weight"})
    file.tensors.push_back(tensor("net.4." + name, {3}));
  const LoadReport report = load_weights(context, arena, file);
  CHECK_FALSE(report.by_place);
  CHECK(report.file_prefix == "net.4.");
  CHECK(report.loaded == 3);
}

TEST_CASE("a block of the network in the place of another one is no fit") {
  const auto blocks = [](int64_t width, const auto& add) {
    for (const std::string place : {"", "layer1.", "layer2.", "layer3."})
      add(place + "conv1.weight", std::vector<int64_t>{place == "layer3." ? 2 * width : width, width, 3, 3});
  };
  Context context(Device::cpu, 0, 1);
  ParameterArena arena;
  const auto zeros = [](float* values, int64_t count, PhiloxStream&) {
    std::fill(values, values + count, 0.f);
  };
  blocks(4, [&](const std::string& name, const std::vector<int64_t>& s) {
    arena.add(name, {s[0], s[2], s[3], s[1]}, zeros);
  });
  arena.allocate(context, 1);
  for (const std::string prefix : {"", "module."}) {
    // The last block of half the width has the shape of none; those before it fit nowhere, either.
    WeightFile half;
    blocks(2, [&](const std::string& name, const std::vector<int64_t>& s) {
      half.tensors.push_back(tensor(prefix + name, s));
    });
    half.tensors.push_back(tensor(prefix + "layer4.conv1.weight", {4, 4, 3, 3}));
    const LoadReport report = load_weights(context, arena, half);
    CHECK(report.file_prefix == prefix);
    CHECK(report.loaded == 0);
    CHECK(report.reshaped.size() == 4);
    CHECK_THAT(report.misfit, ContainsSubstring("file f32 [2,2,3,3], network [4,4,3,3]"));
  }
}

TEST_CASE("where nothing fits, both sides are shown") {
  Network network;
  WeightFile file;
  for (const char* name : {"layers.0.w", "layers.0.b", "layers.1.w", "layers.1.b\n"}) {
    file.tensors.push_back(tensor(name, {2}));
  }
  LoadReport report = network.load(file);
  CHECK(report.loaded == 0);
  CHECK(report.misfit ==
        "the file has 'layers.0.w', 'layers.0.b', 'layers.1.w' and 1 more; the network has 'conv1.weight', "
        "'bn1.weight', 'bn1.running_mean' and 1 more");
  CHECK(report.missing.size() == 4);

  // Names fit and shapes do not: both shapes, of three.
  file = file_of("module.");
  for (HostTensor& small : file.tensors) small = tensor(small.name, {2});
  report = network.load(file);
  CHECK(report.loaded == 0);
  CHECK(report.file_prefix == "module.");
  CHECK(report.reshaped.size() == 4);
  CHECK_THAT(
      report.misfit,
      ContainsSubstring("of another shape: 'module.conv1.weight': file f32 [2], network [4,3,2,2]; ") &&
          ContainsSubstring("'module.bn1.running_mean'") && !ContainsSubstring("'module.fc.weight': file"));
  CHECK(network.load(WeightFile{}).misfit.rfind("the file has nothing; the network has ", 0) == 0);
  CHECK(network.load(file_of("")).misfit.empty());

  // What must be loaded and is not.
  const auto needed = [](const std::string& name) { return !name.starts_with("fc."); };
  const auto load = [&] { return load_weights(network.context, network.arena, file, needed); };
  file = file_of("module.");
  CHECK(load().misfit.empty());
  file.tensors.back() = tensor("module.fc.weight", {751, 4});
  report = load();
  CHECK(report.reshaped.size() == 1);
  CHECK(report.misfit.empty());
  file.tensors[0] = tensor("module.conv1.weight", {2});
  CHECK_THAT(load().misfit, ContainsSubstring("of another shape: 'module.conv1.weight'") &&
                                ContainsSubstring("not found: 'conv1.weight'"));
  file.tensors.erase(file.tensors.begin());
  file.unread = {{"model", "it is a 'my.Net' and no tensor"}};
  CHECK_THAT(load().misfit, ContainsSubstring("not found: 'conv1.weight'") &&
                                EndsWith("not read: 'model': it is a 'my.Net' and no tensor"));
}

TEST_CASE("what the network has and the file cannot give is named, and nothing else of it") {
  Network network;
  WeightFile file = file_of("module.");
  file.tensors.pop_back();
  file.unread = {{"module.fc.weight", "it is of the type 'int8'"}, {"module.other", "it is a 'set'"}};
  LoadReport report = network.load(file);
  CHECK(report.loaded == 3);
  CHECK(report.unread == Names{"'module.fc.weight': it is of the type 'int8'"});
  CHECK(report.missing == Names{"fc.weight"});
  CHECK_THAT(report.text(), ContainsSubstring("1 not read: 'module.fc.weight'"));
  // A copy that can be read is taken before one that cannot.
  report = network.load(file + file_of("float."));
  CHECK(report.file_prefix == "float.");
  CHECK(report.unread.empty());
  // Where nothing can be read, the place of what cannot.
  file.tensors.clear();
  report = network.load(file);
  CHECK(report.loaded == 0);
  CHECK(report.file_prefix == "module.");
  CHECK(report.unread.size() == 1);
}
