#include "reid/training/checkpoint.h"

#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace saccade {

namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

constexpr const char* kFormat = "saccade checkpoint 1";
constexpr const char* kState = "optimizer.";
constexpr const char *kWeightsSum = "crc32 of the weights", *kStateSum = "crc32 of the optimizer";

std::string checksum(const std::vector<TensorView>& views) {
  uLong sum = crc32_z(0, nullptr, 0);
  for (const TensorView& view : views)
    sum = crc32_z(sum, static_cast<const Bytef*>(view.data),
                  static_cast<size_t>(byte_count(view.dtype, view.shape)));
  return std::to_string(sum);
}

std::vector<TensorView> state_views(Context& context, const Learner& optimizer,
                                    std::deque<std::vector<std::byte>>& keep) {
  std::vector<TensorView> views;
  for (const auto& [name, tensor] : optimizer.state()) {
    keep.emplace_back(tensor.bytes());
    tensor.read(context, keep.back().data());
    views.push_back({kState + name,
                     tensor.dtype(),
                     {tensor.shape().begin(), tensor.shape().end()},
                     keep.back().data(),
                     false});
  }
  return views;
}

void check_sum(const std::string& path, const char* of, const std::vector<TensorView>& views,
               const std::string& stored) {
  check_input(checksum(views) == stored, path, ": is damaged: ", of,
              " are not those that were written (their checksum differs); without this file a run goes on "
              "from the one before");
}

std::map<std::string, std::string> to_metadata(const RunState& s) {
  const Json run = {
      {"seed", s.seed},           {"identities", s.identities}, {"step", s.step},
      {"epoch", s.epoch},         {"batch", s.batch},           {"threads", s.threads},
      {"device", s.device},       {"precision", s.precision},   {"best_map", s.best_map},
      {"best_step", s.best_step}, {"before", s.before},         {"training_set", s.training_set},
      {"tuned", s.tuned}};
  return {{"format", kFormat}, {"config", to_json(s.config.essential())}, {"run", run.dump()}};
}

}  // namespace

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

std::string write_checkpoint(Context& context, const std::string& folder, const RunState& state,
                             const ParameterArena& arena, const Learner& optimizer) {
  std::deque<std::vector<std::byte>> keep;
  std::vector<TensorView> views = weight_views(context, arena, keep);
  const std::vector<TensorView> states = state_views(context, optimizer, keep);
  auto metadata = to_metadata(state);
  metadata[kWeightsSum] = checksum(views);
  metadata[kStateSum] = checksum(states);
  views.insert(views.end(), states.begin(), states.end());
  const std::string path = checkpoint_path(folder, state.step);
  write_safetensors(path, views, metadata);

  std::vector<int64_t> steps = list_checkpoints(folder);
  steps.erase(std::remove(steps.begin(), steps.end(), state.best_step), steps.end());
  for (size_t i = 0; i + 2 < steps.size(); ++i) {
    std::error_code ignored;
    fs::remove(checkpoint_path(folder, steps[i]), ignored);
  }
  return path;
}

RunState read_run_state(const std::string& path) {
  const auto metadata = read_safetensors_header(path).metadata;
  const auto format = metadata.find("format");
  check_input(format != metadata.end() && format->second == kFormat && metadata.count("config") &&
                  metadata.count("run") && metadata.count(kWeightsSum) && metadata.count(kStateSum),
              path, ": not a checkpoint of a training run");
  RunState s;
  s.config = parse_config(metadata.at("config"), path);
  try {
    const Json run = Json::parse(metadata.at("run"));
    s.seed = run.at("seed").get<uint64_t>();
    s.identities = run.at("identities").get<int64_t>();
    s.step = run.at("step").get<int64_t>();
    s.epoch = run.at("epoch").get<int64_t>();
    s.batch = run.at("batch").get<int64_t>();
    s.threads = run.at("threads").get<int>();
    s.device = run.at("device").get<std::string>();
    s.precision = run.value("precision", s.precision);  // older files know f32 alone
    s.best_map = run.at("best_map").get<double>();
    s.best_step = run.at("best_step").get<int64_t>();
    s.before = run.at("before").get<std::string>();
    s.training_set = run.at("training_set").get<std::string>();
    s.tuned = run.value("tuned", s.tuned);  // older files know none
  } catch (const Json::exception& error) {
    throw InputError(concat(path, ": damaged metadata: ", error.what()));
  }
  check_input(s.identities >= 0 && s.identities < (int64_t{1} << 31) && s.step >= 0 && s.epoch >= 0 &&
                  s.batch >= 0 && s.threads >= 1 && s.threads <= 4096,
              path, ": damaged metadata: a count is out of range");
  return s;
}

void check_shapes(const std::string& path, const ParameterArena& arena) {
  const SafetensorsHeader header = read_safetensors_header(path);
  std::map<std::string, std::vector<int64_t>> stored;
  for (const TensorInfo& tensor : header.tensors) stored[tensor.name] = tensor.shape;
  for (const Parameter& p : arena.all()) {
    const auto found = stored.find(p.name);
    check_input(found != stored.end(), path, ": the tensor ", p.name, " is missing");
    int64_t elements = 1;
    for (const int64_t size : found->second) elements *= size;
    check_input(elements == p.shape.count(), path, ": the tensor ", p.name, " has ", elements,
                " elements, but the network of its settings asks for ", p.shape.count());
  }
}

void read_checkpoint(Context& context, const std::string& path, ParameterArena& arena, Learner* optimizer) {
  const WeightFile file =
      read_safetensors(path, [&](const std::string& name) { return optimizer || !name.starts_with(kState); });
  const LoadReport report = load_weights(context, arena, file);
  check_input(report.missing.empty(), path, ": the tensor ", report.missing.empty() ? "" : report.missing[0],
              " is missing");
  check_input(report.reshaped.empty(), path, ": ", report.reshaped.empty() ? "" : report.reshaped[0]);
  std::deque<std::vector<std::byte>> keep;
  check_sum(path, "its weights", weight_views(context, arena, keep), file.metadata.at(kWeightsSum));
  if (!optimizer) return;
  for (auto& [name, tensor] : optimizer->state()) {
    const HostTensor* stored = file.find(kState + name);
    check_input(stored != nullptr, path, ": the tensor ", kState, name, " is missing");
    check_input(stored->dtype == tensor.dtype() && Shape(stored->shape) == tensor.shape(), path,
                ": the tensor ", kState, name, " has another shape than the network asks for");
    tensor.write(context, stored->bytes.data());
  }
  check_sum(path, "the optimizer's tensors", state_views(context, *optimizer, keep),
            file.metadata.at(kStateSum));
}

}  // namespace saccade
