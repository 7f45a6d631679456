// The pictures that a run leaves for people.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "reid/data/dataset.h"
#include "reid/data/image.h"
#include "reid/evaluation/evaluate.h"

namespace saccade {

// One panel of curves.png.
struct CurvePanel {
  std::string title;
  std::vector<std::pair<std::string, std::string>>
      curves;                // key in metrics.jsonl, and what the legend calls it
  double low = 0, high = 0;  // of the vertical axis; equal: as the values ask for
};

// <folder>/curves.png: values over epochs, from <folder>/metrics.jsonl.
void draw_training_curves(const std::string& folder, const std::vector<CurvePanel>& panels);

// <folder>/ranked.png: the ranked lists of `evaluation`, right ones framed green, wrong ones red, each picture turned as
// the network saw it.
void draw_ranked_lists(const std::string& folder, const ReidDataset& dataset, Orientation orientation,
                       const Evaluation& evaluation);

}  // namespace saccade
