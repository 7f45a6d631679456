#include "tools/common/checkpoint_option.h"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "kernels/common/device.h"
#include "kernels/common/error.h"
#include "reid/run/checkpoint.h"
#include "tools/common/device_option.h"

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

}  // namespace

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
  std::cerr << "checkpoint " + found + " (" + why + ")\n";
  return found;
}

std::unique_ptr<Context> make_context(const std::string& device, const std::string& precision) {
  const DeviceChoice choice = choose_device(device);
  auto context = std::make_unique<Context>(choice.device, choice.index);
  std::string reason;
  context->precision = precision_named(precision);
  check_input(has_precision(*context, context->precision, &reason), "--precision ", precision, ": ", reason);
  return context;
}

}  // namespace saccade
