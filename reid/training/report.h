// The pictures that a run with config.report leaves.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "reid/data/dataset.h"
#include "reid/evaluation/evaluate.h"

namespace saccade {

// <folder>/metrics.jsonl, and its lines: objects with at least step, epoch and time. Others (a run was killed while it wrote
// one) are left out.
std::string metrics_path(const std::string& folder);
std::vector<nlohmann::json> read_metrics(const std::string& path);

// <folder>/curves.png: losses, scores and learning rate over epochs, from <folder>/metrics.jsonl.
void draw_training_curves(const std::string& folder);

// <folder>/ranked.png: the ranked lists of `evaluation`, right ones framed green, wrong ones red.
void draw_ranked_lists(const std::string& folder, const ReidDataset& dataset, const Evaluation& evaluation);

}  // namespace saccade
