#include "reid/run/metrics.h"

#include "tensor/weights/atomic_file.h"
#include "tensor/weights/json_text.h"

namespace saccade {

using Json = nlohmann::json;

std::string metrics_path(const std::string& folder) {
  return folder + "/metrics.jsonl";
}

std::vector<Json> read_metrics(const std::string& path) {
  std::vector<Json> lines;
  std::ifstream file(path);
  for (std::string text; std::getline(file, text);) {
    Json line = Json::parse(text, nullptr, false);
    const auto is = [&](const char* key) { return line.contains(key) && line[key].is_number(); };
    if (line.is_object() && is("step") && is("epoch") && is("time")) lines.push_back(std::move(line));
  }
  return lines;
}

Metrics::Metrics(const std::string& folder, int64_t step, double* time) : path_(metrics_path(folder)) {
  AtomicFile kept(path_);
  for (const Json& line : step < 0 ? std::vector<Json>() : read_metrics(path_)) {
    const auto at = line.at("step").get<int64_t>();
    if (at > step) continue;
    is_new(at, line);
    *time = line.at("time").get<double>();
    const std::string text = json_text(line) + "\n";
    kept.write(text.data(), text.size());
  }
  kept.commit();
  file_.open(path_, std::ios::app);
  check(file_.good(), path_, ": cannot be written");
}

bool Metrics::is_new(int64_t step, const Json& line) {
  if (step != step_) said_.clear();
  step_ = step;
  for (const auto& [key, unused] : line.items())
    if (key != "step" && key != "epoch" && key != "time") return said_.insert(key).second;
  return true;
}

void Metrics::write(const Place& place, double time, const Json& line) {
  if (!is_new(place.step, line)) return;
  Json full = {{"step", place.step}, {"epoch", place.epoch}, {"time", time}};
  full.update(line);
  file_ << json_text(full) << '\n' << std::flush;
  check(file_.good(), path_, ": cannot be written (is the disk full?)");
}

}  // namespace saccade
