#include "reid/run/checkpoint.h"

#include <zlib.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <set>

#include "layers/weights.h"
#include "tensor/weights/json_text.h"
#include "tensor/weights/read_weights.h"
#include "tensor/weights/safetensors.h"

namespace saccade {

namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

constexpr const char* kFormat = "saccade checkpoint 1";
constexpr const char* kState = "optimizer.";

// Keys of the metadata.
std::string sum_of(const char* what, const std::string& name) {
  return concat("crc32 of the ", what, name.empty() ? "" : " of ", name);
}

std::string prefix_of(const std::string& learner) {
  return learner.empty() ? "" : learner + ".";
}

std::string checksum(const std::vector<TensorView>& views) {
  uLong sum = crc32_z(0, nullptr, 0);
  for (const TensorView& view : views)
    sum = crc32_z(sum, static_cast<const Bytef*>(view.data),
                  static_cast<size_t>(byte_count(view.dtype, view.shape)));
  return std::to_string(sum);
}

using HostCopies = std::deque<std::vector<std::byte>>;

TensorView view_of(Context& context, const std::string& name, const Tensor& tensor, HostCopies& copies) {
  copies.emplace_back(tensor.bytes());
  tensor.read(context, copies.back().data());
  return {name, tensor.dtype(), {tensor.shape().begin(), tensor.shape().end()}, copies.back().data(), false};
}

std::vector<TensorView> views_of_weights(Context& context, const std::string& name, const Learner& learner,
                                         HostCopies& copies) {
  std::vector<TensorView> views = weight_views(context, learner.parameters, copies);
  for (TensorView& view : views) view.name = prefix_of(name) + view.name;
  return views;
}

std::vector<TensorView> views_of_optimizer(Context& context, const std::string& name, const Learner& learner,
                                           HostCopies& copies) {
  std::vector<TensorView> views;
  for (const auto& [state, tensor] : learner.state())
    views.push_back(view_of(context, kState + prefix_of(name) + state, tensor, copies));
  return views;
}

void check_sum(const WeightFile& file, const std::string& path, const std::string& what,
               const std::string& key, const std::vector<TensorView>& views) {
  const auto stored = file.metadata.find(key);
  check_input(stored != file.metadata.end() && checksum(views) == stored->second, path,
              ": is damaged: ", what,
              " are not those that were written (their checksum differs); without this file a run goes on "
              "from the one before");
}

// Writes the file's tensor of this name into `tensor`.
void fill(Context& context, const WeightFile& file, const std::string& path, const std::string& name,
          const Tensor& tensor) {
  const HostTensor* stored = file.find(name);
  check_input(stored != nullptr, path, ": the tensor ", name, " is missing");
  check_input(stored->dtype == tensor.dtype() && Shape(stored->shape) == tensor.shape(), path,
              ": the tensor ", name, " has another shape than the network asks for");
  tensor.write(context, stored->bytes.data());
}

// The state without the config and the values of Run::keep.
Json own_state(const RunState& s) {
  return {{"seed", s.seed},           {"step", s.place.step},
          {"stage", s.place.stage},   {"stage_began", s.place.stage_began},
          {"epoch", s.place.epoch},   {"batch", s.place.batch},
          {"threads", s.threads},     {"device", s.device},
          {"precision", s.precision}, {"best_score", s.best_score},
          {"best_step", s.best_step}, {"training_set", s.training_set},
          {"tuned", s.tuned}};
}

void remove_old(const std::string& folder, int64_t best_step) {
  std::vector<int64_t> steps = list_checkpoints(folder);
  steps.erase(std::remove(steps.begin(), steps.end(), best_step), steps.end());
  for (size_t i = 0; i + 2 < steps.size(); ++i) {
    std::error_code ignored;
    fs::remove(checkpoint_path(folder, steps[i]), ignored);
  }
}

}  // namespace

bool is_own_value(const std::string& name) {
  return own_state(RunState()).contains(name) || name == "best_map";  // its name in older files
}

std::string checkpoint_path(const std::string& folder, int64_t step) {
  return concat(folder, "/checkpoint-", step, ".safetensors");
}

std::vector<int64_t> list_checkpoints(const std::string& folder) {
  std::vector<int64_t> steps;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string(), head = "checkpoint-", tail = ".safetensors";
    if (!name.starts_with(head) || !name.ends_with(tail) || name.size() <= head.size() + tail.size())
      continue;
    const std::string digits = name.substr(head.size(), name.size() - head.size() - tail.size());
    if (digits.size() < 18 &&
        std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }))
      steps.push_back(std::stoll(digits));
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

bool write_checkpoint(Context& context, const std::string& folder, RunState state, const Kept& kept) {
  Json run = own_state(state);
  for (const auto& [name, value] : kept.values) run[name] = *value;
  std::map<std::string, std::string> metadata = {
      {"format", kFormat}, {"config", state.config}, {"run", json_text(run)}};
  HostCopies copies;
  std::vector<TensorView> all;
  const auto add = [&](const std::vector<TensorView>& views, const std::string& key) {
    metadata[key] = checksum(views);
    all.insert(all.end(), views.begin(), views.end());
  };
  for (const auto& [name, learner] : kept.learners) {
    add(views_of_weights(context, name, *learner, copies), sum_of("weights", name));
    add(views_of_optimizer(context, name, *learner, copies), sum_of("optimizer", name));
  }
  for (const auto& [name, tensor] : kept.tensors)
    add({view_of(context, name, *tensor, copies)}, sum_of("tensor", name));
  const bool synced = write_safetensors(checkpoint_path(folder, state.place.step), all, metadata);
  remove_old(folder, state.best_step);
  return synced;
}

int64_t read_count(const RunState& state, const std::string& name, const std::string& path) {
  const auto value = state.values.find(name);
  check_input(
      value != state.values.end() && value->is_number_integer() && *value >= 0 && *value < (int64_t{1} << 31),
      path, ": damaged metadata: ", name, " is no count");
  return value->get<int64_t>();
}

RunState read_run_state(const std::string& path) {
  constexpr const char* kOther =
      ": not a checkpoint of a training run (other weights go to evaluate and extract by --weights and "
      "--config)";
  check_input(weight_format(path) == WeightFormat::safetensors, path, kOther);
  const auto metadata = read_safetensors_header(path).metadata;
  const auto format = metadata.find("format");
  check_input(format != metadata.end() && format->second == kFormat && metadata.count("config") &&
                  metadata.count("run"),
              path, kOther);
  RunState s;
  s.config = metadata.at("config");
  try {
    const Json run = Json::parse(metadata.at("run"));
    s.seed = run.at("seed").get<uint64_t>();
    s.place.step = run.at("step").get<int64_t>();
    s.place.epoch = run.at("epoch").get<int64_t>();
    s.place.batch = run.at("batch").get<int64_t>();
    s.threads = run.at("threads").get<int>();
    s.device = run.at("device").get<std::string>();
    s.best_step = run.at("best_step").get<int64_t>();
    s.training_set = run.at("training_set").get<std::string>();
    // Older files lack what did not exist when they were written.
    s.place.stage = run.value("stage", s.place.stage);
    s.place.stage_began = run.value("stage_began", s.place.stage_began);
    s.precision = run.value("precision", s.precision);
    s.best_score = run.value("best_score", run.value("best_map", s.best_score));
    s.tuned = run.value("tuned", s.tuned);
    for (const auto& [key, value] : run.items())
      if (!is_own_value(key)) s.values[key] = value;
  } catch (const Json::exception& error) {
    throw InputError(concat(path, ": damaged metadata: ", error.what()));
  }
  check_input(s.place.step >= 0 && s.place.stage >= 0 && s.place.stage_began >= 0 && s.place.epoch >= 0 &&
                  s.place.batch >= 0 && s.threads >= 1 && s.threads <= 4096,
              path, ": damaged metadata: a count is out of range");
  return s;
}

void check_shapes(const std::string& path, const std::string& learner, const ParameterArena& parameters) {
  const SafetensorsHeader header = read_safetensors_header(path);
  std::map<std::string, std::vector<int64_t>> stored;
  for (const TensorInfo& tensor : header.tensors) stored[tensor.name] = tensor.shape;
  for (const Parameter& p : parameters.all()) {
    const std::string name = prefix_of(learner) + p.name;
    const auto found = stored.find(name);
    check_input(found != stored.end(), path, ": the tensor ", name, " is missing");
    int64_t elements = 1;
    for (const int64_t size : found->second) elements *= size;
    check_input(elements == p.shape.count(), path, ": the tensor ", name, " has ", elements,
                " elements, but the network of its settings asks for ", p.shape.count());
  }
}

void read_weights_of(Context& context, const std::string& path, const std::string& name, Learner& learner) {
  const std::string prefix = prefix_of(name);
  WeightFile file = read_safetensors(path, [&](const std::string& tensor) {
    return tensor.starts_with(prefix) && learner.parameters.find(tensor.substr(prefix.size()));
  });
  for (HostTensor& tensor : file.tensors) tensor.name = tensor.name.substr(prefix.size());
  const LoadReport report = load_weights(context, learner.parameters, file);
  check_input(report.missing.empty(), path, ": the tensor ", prefix,
              report.missing.empty() ? "" : report.missing[0], " is missing");
  check_input(report.reshaped.empty(), path, ": ", report.reshaped.empty() ? "" : report.reshaped[0]);
  HostCopies copies;
  check_sum(file, path, name.empty() ? "its weights" : "the weights of " + name, sum_of("weights", name),
            views_of_weights(context, name, learner, copies));
}

void read_learner(Context& context, const std::string& path, const std::string& name, Learner& learner) {
  read_weights_of(context, path, name, learner);
  const std::string prefix = kState + prefix_of(name);
  const auto state = learner.state();
  const WeightFile file =
      read_safetensors(path, [&](const std::string& tensor) { return tensor.starts_with(prefix); });
  for (const auto& [key, tensor] : state) fill(context, file, path, prefix + key, tensor);
  HostCopies copies;
  check_sum(file, path, "the optimizer's tensors", sum_of("optimizer", name),
            views_of_optimizer(context, name, learner, copies));
}

void read_tensor(Context& context, const std::string& path, const std::string& name, Tensor& tensor) {
  const WeightFile file = read_safetensors(path, [&](const std::string& other) { return other == name; });
  fill(context, file, path, name, tensor);
  HostCopies copies;
  check_sum(file, path, "the values of " + name, sum_of("tensor", name),
            {view_of(context, name, tensor, copies)});
}

}  // namespace saccade
