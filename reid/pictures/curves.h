// Line plots of what a training wrote down: losses, scores, rates.
#pragma once

#include <string>
#include <vector>

#include "reid/data/image.h"

namespace saccade {

struct Series {
  std::string name;
  std::vector<double> x, y;  // same length, x rising; a y that is not finite leaves a gap
};

// One plot. Panels of a picture are stacked over a common x axis.
struct Panel {
  std::string title;
  std::vector<Series> series;
  // The y axis covers these and all of the data; equal values: the data alone.
  double y_low = 0, y_high = 0;
};

// A noisy series of more than 60 points is drawn faintly, with its moving average in bold over it; one of up
// to 40 points has markers. The last value of each bold line stands in the legend.
Image draw_curves(const std::string& title, const std::vector<Panel>& panels,
                  const std::string& x_label = "epoch", int width = 1100, int panel_height = 330);

// Round numbers (1, 2 or 5 times a power of ten apart) inside of [low, high], at most `most` of them.
std::vector<double> axis_ticks(double low, double high, int most);

}  // namespace saccade
