// Line plots of what a training recorded: losses, scores, rates.
#pragma once

#include <string>
#include <vector>

#include "reid/data/image.h"

namespace saccade {

struct Series {
  std::string name;
  std::vector<double> x, y;  // of the same length, x rising; a y that is not finite leaves a gap
};

// One plot. The panels of a picture are stacked and share their x axis.
struct Panel {
  std::string title;
  std::vector<Series> series;
  // The y axis covers the data and these two values; if they are equal, the data alone.
  double y_low = 0, y_high = 0;
};

// A noisy series of more than 60 points is drawn faintly, with its moving average in bold over it; one of up
// to 40 points has markers. The legend shows the last value of each bold line. Sizes are in pixels. Error for
// a series with more x than y or fewer, and for a picture that is too small.
Image draw_curves(const std::string& title, const std::vector<Panel>& panels,
                  const std::string& x_label = "epoch", int width = 1100, int panel_height = 330);

// Round numbers in [low, high], 1, 2 or 5 times a power of ten apart: at most `most` of them.
std::vector<double> axis_ticks(double low, double high, int most);

}  // namespace saccade
