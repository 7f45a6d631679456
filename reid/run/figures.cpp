#include "reid/run/figures.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "reid/pictures/curves.h"
#include "reid/pictures/ranked.h"
#include "reid/run/metrics.h"

namespace saccade {

using Json = nlohmann::json;

namespace {

// The values of `key` over fractional epochs; `per_epoch` steps make one.
Series series(const std::vector<Json>& lines, const std::string& key, const std::string& name,
              double per_epoch) {
  Series s;
  s.name = name;
  for (const Json& line : lines) {
    const auto value = line.find(key);
    if (value == line.end() || !value->is_number()) continue;
    s.x.push_back(line.at("step").get<double>() / per_epoch);
    s.y.push_back(value->get<double>());
  }
  return s;
}

}  // namespace

void draw_training_curves(const std::string& folder, const std::vector<CurvePanel>& panels) {
  const std::vector<Json> lines = read_metrics(metrics_path(folder));
  double step = 0, epoch = 0;
  for (const Json& line : lines) {
    step = std::max(step, line.at("step").get<double>());
    epoch = std::max(epoch, line.at("epoch").get<double>());
  }
  const double per_epoch = epoch > 0 ? step / epoch : std::max(step, 1.0);
  std::vector<Panel> drawn;
  for (const CurvePanel& panel : panels) {
    Panel& one = drawn.emplace_back(Panel{panel.title, {}, panel.low, panel.high});
    for (const auto& [key, name] : panel.curves) one.series.push_back(series(lines, key, name, per_epoch));
  }
  write_png(folder + "/curves.png", draw_curves("Training", drawn));
}

void draw_ranked_lists(const std::string& folder, const ReidDataset& dataset, Orientation orientation,
                       const Evaluation& evaluation) {
  const auto picture = [orientation](const ImageRecord& record, bool correct) {
    return RankedPicture{read_image(record.path, orientation), record.pid, record.camid, correct};
  };
  std::vector<RankedRow> rows;
  for (const RankedList& list : evaluation.ranked) {
    RankedRow row;
    row.query = picture(dataset.query[static_cast<size_t>(list.query)], false);
    for (const RankedImage& image : list.images)
      row.gallery.push_back(picture(dataset.gallery[static_cast<size_t>(image.gallery)], image.correct));
    const QueryScore& score = evaluation.of_query[static_cast<size_t>(list.query)];
    row.average_precision = score.correct ? score.ap : -1;
    rows.push_back(std::move(row));
  }
  if (!rows.empty())
    write_png(folder + "/ranked.png", draw_ranked("Queries and what the network found for them", rows));
}

}  // namespace saccade
