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
Series series(const std::vector<Json>& lines, const std::string& key, const std::string& name, double per_epoch) {
  Series s;
  s.name = name;
  for (const Json& line : lines) {
    const auto value = line.find(key);
    if (value == line.end() || !value->is_number()) continue;
    s.x.push_back(line.value("step", 0.0) / per_epoch);
    s.y.push_back(value->get<double>());
  }
  return s;
}

}  // namespace

void draw_training_curves(const std::string& folder) {
  std::vector<Json> lines;
  std::ifstream file(folder + "/metrics.jsonl");
  double step = 0, epoch = 0;
  for (std::string text; std::getline(file, text);) {
    Json line = Json::parse(text, nullptr, false);
    if (line.is_discarded()) continue;
    step = std::max(step, line.value("step", 0.0));
    epoch = std::max(epoch, line.value("epoch", 0.0));
    lines.push_back(std::move(line));
  }
  const double per_epoch = epoch > 0 ? step / epoch : std::max(step, 1.0);
  const std::vector<Panel> panels = {
      {"losses", {series(lines, "loss", "total", per_epoch), series(lines, "id_loss", "ID", per_epoch),
                  series(lines, "triplet_loss", "triplet", per_epoch)}, 0, 0},
      {"retrieval", {series(lines, "mAP", "mAP", per_epoch), series(lines, "rank1", "rank 1", per_epoch),
                     series(lines, "mINP", "mINP", per_epoch)}, 0, 1},
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
  if (!rows.empty()) write_png(folder + "/ranked.png", draw_ranked("Queries and what the network found for them", rows));
}

}  // namespace saccade
