// <folder>/metrics.jsonl: what happened in a run, one JSON object a line with at least step, epoch and time (seconds).
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "reid/run/checkpoint.h"

namespace saccade {

std::string metrics_path(const std::string& folder);

// The lines of the file. Others (a run was killed while it wrote one) are left out.
std::vector<nlohmann::json> read_metrics(const std::string& path);

// Adds lines to the file.
class Metrics {
 public:
  // A run that goes on keeps the lines up to `step`: later ones belong to steps that will run again. With `step` = -1
  // the file begins empty. `time` receives the time of the last line that is kept.
  Metrics(const std::string& folder, int64_t step, double* time);

  // Step, epoch and time with the values of `line`. A line whose first value the file has at this step already is left
  // out: a finished run that is resumed evaluates once more, and says nothing new.
  void write(const Place& place, double time, const nlohmann::json& line);

 private:
  bool is_new(int64_t step, const nlohmann::json& line);

  std::string path_;
  std::ofstream file_;
  int64_t step_ = -1;           // of the last line
  std::set<std::string> said_;  // the first values of the lines at that step
};

}  // namespace saccade
