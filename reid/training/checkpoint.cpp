#include "reid/training/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace saccade {

namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

constexpr const char* kFormat = "saccade checkpoint 1";
constexpr const char* kState = "optimizer.";

std::map<std::string, std::string> to_metadata(const RunState& s) {
  const Json run = {{"seed", s.seed},     {"identities", s.identities}, {"step", s.step},
                    {"epoch", s.epoch},   {"batch", s.batch},           {"threads", s.threads},
                    {"device", s.device}, {"precision", s.precision},   {"best_map", s.best_map},
                    {"best_step", s.best_step}, {"before", s.before}};
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
    if (!name.starts_with(head) || !name.ends_with(tail) || name.size() <= head.size() + tail.size()) continue;
    const std::string digits = name.substr(head.size(), name.size() - head.size() - tail.size());
    if (digits.size() < 18 && std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }))
      steps.push_back(std::stoll(digits));
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

std::string write_checkpoint(Context& context, const std::string& folder, const RunState& state,
                             const ParameterArena& arena, const Optimizer& optimizer) {
  std::deque<std::vector<std::byte>> keep;
  std::vector<TensorView> views = weight_views(context, arena, keep);
  for (const auto& [name, tensor] : optimizer.state()) {
    keep.emplace_back(tensor.bytes());
    tensor.read(context, keep.back().data());
    views.push_back({kState + name, tensor.dtype(), {tensor.shape().begin(), tensor.shape().end()}, keep.back().data(), false});
  }
  const std::string path = checkpoint_path(folder, state.step);
  write_safetensors(path, views, to_metadata(state));

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
  check_input(format != metadata.end() && format->second == kFormat && metadata.count("config") && metadata.count("run"),
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
  } catch (const Json::exception& error) {
    throw InputError(concat(path, ": damaged metadata: ", error.what()));
  }
  check_input(s.identities >= 0 && s.identities < (int64_t{1} << 31) && s.step >= 0 && s.epoch >= 0 && s.batch >= 0 &&
                  s.threads >= 1 && s.threads <= 4096,
              path, ": damaged metadata: a count is out of range");
  return s;
}

void read_checkpoint(Context& context, const std::string& path, ParameterArena& arena, Optimizer* optimizer) {
  const WeightFile file = read_safetensors(path, [&](const std::string& name) { return optimizer || !name.starts_with(kState); });
  const LoadReport report = load_weights(context, arena, file);
  check_input(report.missing.empty(), path, ": the tensor ", report.missing.empty() ? "" : report.missing[0], " is missing");
  check_input(report.reshaped.empty(), path, ": ", report.reshaped.empty() ? "" : report.reshaped[0]);
  if (!optimizer) return;
  for (auto& [name, tensor] : optimizer->state()) {
    const HostTensor* stored = file.find(kState + name);
    check_input(stored != nullptr, path, ": the tensor ", kState, name, " is missing");
    check_input(stored->dtype == tensor.dtype() && Shape(stored->shape) == tensor.shape(), path, ": the tensor ", kState,
                name, " has another shape than the network asks for");
    tensor.write(context, stored->bytes.data());
  }
}

}  // namespace saccade
