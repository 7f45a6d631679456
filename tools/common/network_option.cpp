#include "tools/common/network_option.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "kernels/common/device.h"
#include "kernels/common/error.h"
#include "reid/run/checkpoint.h"
#include "reid/run/threads.h"
#include "tools/common/device_option.h"
#include "tools/common/program.h"

namespace saccade {

namespace fs = std::filesystem;

namespace {

// Empty if result.json names none that is still there. The run may have been moved: only the name counts.
std::string named_by_result(const fs::path& folder) {
  std::ifstream file(folder / "result.json");
  const auto result = nlohmann::json::parse(file, nullptr, false);
  if (!result.is_object() || !result.contains("checkpoint") || !result["checkpoint"].is_string()) return "";
  const fs::path path = folder / fs::path(result["checkpoint"].get<std::string>()).filename();
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) ? path.string() : "";
}

std::string find_checkpoint(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return path;
  std::string found = named_by_result(path);
  const char* why = "named by result.json";
  if (found.empty()) {
    const std::vector<int64_t> steps = list_checkpoints(path);
    check_input(!steps.empty(), path, ": a folder without checkpoints");
    found = (fs::path(path) / fs::path(checkpoint_path(path, steps.back())).filename()).string();
    why = "the newest";
  }
  print_notice(concat("checkpoint ", found, " (", why, ")"));
  return found;
}

// A file holds f32 values whatever they were trained in.
std::unique_ptr<Context> make_context(const std::string& device, const std::string& precision) {
  const DeviceChoice choice = choose_device(device);
  const int threads = default_threads(print_notice);
  auto context = std::make_unique<Context>(choice.device, choice.index, threads);
  std::string reason;
  context->precision = precision_named(precision);
  check_input(has_precision(*context, context->precision, &reason), "--precision ", precision, ": ", reason);
  return context;
}

}  // namespace

void add_network_options(CLI::App& app, NetworkOptions& options) {
  auto* checkpoint =
      app.add_option("--checkpoint", options.checkpoint, "checkpoint of a training run, or the run's folder");
  auto* weights =
      app.add_option("--weights", options.weights,
                     "instead: a .safetensors or .pth file of any origin, whose tensors are found by name");
  auto* config =
      app.add_option("--config", options.config, "with --weights: the network's settings, as for train");
  app.add_option("--set", options.assignments,
                 "change one setting of the checkpoint's or the given config: section.key=value (repeatable)")
      ->allow_extra_args(false);
  app.add_option("--device", options.device, "of the network: auto, cpu, cuda or cuda:N")
      ->capture_default_str();
  app.add_option("--precision", options.precision, "of the network: f32, tf32 or bf16")
      ->check(CLI::IsMember({"f32", "tf32", "bf16"}))
      ->capture_default_str();
  app.add_flag("--flip", options.flip,
               "features are the mean of those of each picture and of its mirror image");
  checkpoint->excludes(weights)->excludes(config);
  weights->needs(config);
  config->needs(weights);
}

FoundNetwork find_network(const NetworkOptions& options) {
  check_input(options.given(), "no network: give --checkpoint, or --weights and --config");
  std::unique_ptr<Context> context = make_context(options.device, options.precision);
  Context& device = *context;
  if (options.weights.empty()) {
    const CheckpointSource source{find_checkpoint(options.checkpoint), options.assignments};
    const System& system = system_of_checkpoint(source.path);
    const auto open = [&system, &device, source] {
      check_input(system.open != nullptr, source.path, ": the system ", system.name, " gives no features");
      return system.open(device, source);
    };
    return {system, std::move(context), source, open};
  }
  std::error_code ignored;
  check_input(!fs::is_directory(options.weights, ignored), "--weights ", options.weights,
              ": is a folder; a run's folder goes to --checkpoint");
  const ConfigSource config{options.config, options.assignments};
  const System& system = system_of(config);
  const auto open = [&system, &device, &options, config] {
    check_input(system.open_weights != nullptr, options.config, ": the system ", system.name,
                " cannot be scored without a training: give a checkpoint");
    return system.open_weights(device, config, options.weights, print_notice);
  };
  return {system, std::move(context), {}, open};
}

}  // namespace saccade
