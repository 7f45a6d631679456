#include "reid/training/report.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "reid/data/image.h"
#include "reid/pictures/curves.h"
#include "reid/pictures/ranked.h"

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

void draw_training_curves(const std::string& folder) {
  const std::vector<Json> lines = read_metrics(metrics_path(folder));
  double step = 0, epoch = 0;
  for (const Json& line : lines) {
    step = std::max(step, line.at("step").get<double>());
    epoch = std::max(epoch, line.at("epoch").get<double>());
  }
  const double per_epoch = epoch > 0 ? step / epoch : std::max(step, 1.0);
  const std::vector<Panel> panels = {
      {"losses",
       {series(lines, "loss", "total", per_epoch), series(lines, "id_loss", "ID", per_epoch),
        series(lines, "triplet_loss", "triplet", per_epoch)},
       0,
       0},
      {"retrieval",
       {series(lines, "mAP", "mAP", per_epoch), series(lines, "rank1", "rank 1", per_epoch),
        series(lines, "mINP", "mINP", per_epoch)},
       0,
       1},
      {"learning rate", {series(lines, "learning_rate", "learning rate", per_epoch)}, 0, 0}};
  write_png(folder + "/curves.png", draw_curves("Training", panels));
}

void draw_ranked_lists(const std::string& folder, const ReidDataset& dataset, const Evaluation& evaluation) {
  const auto picture = [](const ImageRecord& record, bool correct) {
    return RankedPicture{read_image(record.path), record.pid, record.camid, correct};
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
