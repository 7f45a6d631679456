#include "reid/pictures/curves.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <utility>

#include "kernels/common/error.h"
#include "reid/pictures/canvas.h"

namespace saccade {
namespace {

constexpr Color kPaper = {255, 255, 255}, kInk = {38, 42, 51}, kQuiet = {110, 116, 128};
constexpr Color kGrid = {226, 229, 235}, kPlot = {249, 250, 252}, kFrame = {190, 195, 205};
// Most color-blind readers can tell these apart (after Okabe and Ito); they are darkened for white paper.
constexpr std::array<Color, 7> kColors = {{{0, 104, 178},
                                           {213, 94, 0},
                                           {0, 138, 100},
                                           {180, 84, 145},
                                           {190, 140, 0},
                                           {60, 160, 215},
                                           {90, 90, 90}}};

struct Range {
  double low = 0, high = 0;
  bool empty = true;
  void add(double value) {
    if (!std::isfinite(value)) return;
    low = empty ? value : std::min(low, value);
    high = empty ? value : std::max(high, value);
    empty = false;
  }
  // The same range, but never empty or of length 0: something to divide by.
  Range opened() const {
    if (empty) return {0, 1, false};
    if (high > low) return *this;
    const double half = low == 0 ? 0.5 : std::fabs(low) * 0.1;
    return {low - half, high + half, false};
  }
};

std::string number_text(double value, double step) {
  const double size = std::max(std::fabs(value), step);
  char text[32];
  if (size >= 1e6 || step < 0.9e-4) {
    std::snprintf(text, sizeof text, "%.3g", value);
  } else {
    const int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
    std::snprintf(text, sizeof text, "%.*f", decimals, value == 0 ? 0.0 : value);
  }
  return text;
}

std::string value_text(double value) {
  char text[32];
  const double size = std::fabs(value);
  std::snprintf(text, sizeof text,
                size >= 1e5 || (size < 1e-3 && size > 0) ? "%.2e"
                : size >= 100                            ? "%.0f"
                                                         : "%.3f",
                value);
  return text;
}

// The runs of finite points of a series.
std::vector<std::vector<std::pair<double, double>>> runs_of(const std::vector<double>& x,
                                                            const std::vector<double>& y) {
  std::vector<std::vector<std::pair<double, double>>> runs(1);
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isfinite(x[i]) && std::isfinite(y[i])) {
      runs.back().emplace_back(x[i], y[i]);
    } else if (!runs.back().empty()) {
      runs.emplace_back();
    }
  }
  if (runs.back().empty()) runs.pop_back();
  return runs;
}

// A centered mean over about a thirtieth of the points. A value that is not finite takes no part.
std::vector<double> moving_average(const std::vector<double>& y) {
  const int64_t half = std::max<int64_t>(1, static_cast<int64_t>(y.size()) / 60),
                count = static_cast<int64_t>(y.size());
  std::vector<double> mean(y.size(), NAN);
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(y[i])) continue;
    double sum = 0;
    int64_t used = 0;
    for (int64_t j = std::max<int64_t>(0, i - half); j <= std::min(count - 1, i + half); ++j) {
      if (!std::isfinite(y[j])) continue;
      sum += y[j];
      ++used;
    }
    mean[i] = sum / static_cast<double>(used);
  }
  return mean;
}

// Whether more than every fifth point reverses the direction: a loss does that, a schedule does not.
bool is_noisy(const std::vector<double>& y) {
  size_t turns = 0;
  for (size_t i = 2; i < y.size(); ++i) turns += (y[i] - y[i - 1]) * (y[i - 1] - y[i - 2]) < 0;
  return turns > y.size() / 5;
}

// The values that the bold line shows.
std::vector<double> shown_values(const Series& series) {
  return series.x.size() > 60 && is_noisy(series.y) ? moving_average(series.y) : series.y;
}

// Where data lands on the canvas.
struct Frame {
  int left, top, right, bottom;
  Range x, y;
  Point at(double value_x, double value_y) const {
    return {left + (value_x - x.low) / (x.high - x.low) * (right - left),
            bottom - (value_y - y.low) / (y.high - y.low) * (bottom - top)};
  }
};

void draw_line(Canvas& canvas, const Frame& frame, const std::vector<double>& x, const std::vector<double>& y,
               double pen, Color color, double opacity, bool markers) {
  for (const auto& run : runs_of(x, y)) {
    std::vector<Point> points;
    for (const auto& [run_x, run_y] : run) points.push_back(frame.at(run_x, run_y));
    canvas.stroke(points, pen, color, opacity);
    if (!markers && run.size() > 1) continue;
    for (const Point point : points) {
      canvas.stroke({point}, pen * 3.2, color);
      canvas.stroke({point}, pen * 1.3, kPaper);
    }
  }
}

void draw_axes(Canvas& canvas, const Frame& frame, const std::string& x_label, bool label_x) {
  canvas.box(frame.left, frame.top, frame.right, frame.bottom, kPlot);
  const std::vector<double> ys = axis_ticks(frame.y.low, frame.y.high, 6);
  const double y_step = ys.size() > 1 ? ys[1] - ys[0] : 1;
  for (const double value : ys) {
    const double y = std::round(frame.at(0, value).y) + 0.5;
    canvas.stroke({{frame.left + 0.5, y}, {frame.right - 0.5, y}}, 1, kGrid);
    canvas.text(number_text(value, y_step), frame.left - 10, y + 5, 10, kQuiet, Align::right);
  }
  const std::vector<double> xs = axis_ticks(frame.x.low, frame.x.high, 10);
  const double x_step = xs.size() > 1 ? xs[1] - xs[0] : 1;
  for (const double value : xs) {
    const double x = std::round(frame.at(value, 0).x) + 0.5;
    canvas.stroke({{x, frame.top + 0.5}, {x, frame.bottom - 0.5}}, 1, kGrid);
    canvas.text(number_text(value, x_step), x, frame.bottom + 19, 10, kQuiet, Align::center);
  }
  canvas.stroke({{frame.left + 0.5, frame.top + 0.5},
                 {frame.left + 0.5, frame.bottom + 0.5},
                 {frame.right + 0.5, frame.bottom + 0.5}},
                1.4, kFrame);
  if (label_x)
    canvas.text(x_label, (frame.left + frame.right) / 2.0, frame.bottom + 42, 11, kInk, Align::center);
}

// Draws the legend on the line of the title, from the right; a series for which there is no room is left out.
void draw_legend(Canvas& canvas, const Frame& frame, const Panel& panel) {
  const double room = frame.left + Canvas::text_width(panel.title, 13) + 40;
  double x = frame.right;
  for (size_t i = panel.series.size(); i-- > 0;) {
    const Series& series = panel.series[i];
    std::string label = series.name;
    const std::vector<double> shown = shown_values(series);
    const auto last = std::find_if(shown.rbegin(), shown.rend(), [](double y) { return std::isfinite(y); });
    if (last != shown.rend()) label += "  " + value_text(*last);
    const double begin = x - Canvas::text_width(label, 10.5) - 32;
    if (begin < room) break;
    const double y = frame.top - 13;
    canvas.stroke({{begin + 2, y - 5}, {begin + 22, y - 5}}, 3, kColors[i % kColors.size()]);
    canvas.text(label, x, y, 10.5, kInk, Align::right);
    x = begin - 18;
  }
}

void draw_panel(Canvas& canvas, const Frame& frame, const Panel& panel, const std::string& x_label,
                bool label_x) {
  draw_axes(canvas, frame, x_label, label_x);
  canvas.text(panel.title, frame.left, frame.top - 13, 13, kInk, Align::left, /*bold=*/true);
  draw_legend(canvas, frame, panel);
  bool drawn = false;
  for (size_t i = 0; i < panel.series.size(); ++i) {
    const Series& series = panel.series[i];
    const Color color = kColors[i % kColors.size()];
    const std::vector<double> shown = shown_values(series);
    if (shown != series.y) draw_line(canvas, frame, series.x, series.y, 1, color, 0.35, false);
    draw_line(canvas, frame, series.x, shown, 2.4, color, 1, series.x.size() <= 40);
    drawn = drawn || !runs_of(series.x, series.y).empty();
  }
  if (!drawn)
    canvas.text("no data", (frame.left + frame.right) / 2.0, (frame.top + frame.bottom) / 2.0 + 6, 13, kQuiet,
                Align::center);
}

Range y_range(const Panel& panel) {
  Range range;
  for (const Series& series : panel.series)
    for (const double value : series.y) range.add(value);
  if (panel.y_low != panel.y_high) {
    range.add(panel.y_low);
    range.add(panel.y_high);
    if (range.low == panel.y_low && range.high == panel.y_high) return range;
  }
  range = range.opened();
  const double margin = 0.06 * (range.high - range.low);
  // The axis of a loss or a rate begins at zero if the values come near it.
  range.low = range.low >= 0 && range.low < 0.35 * range.high ? 0 : range.low - margin;
  range.high += margin;
  return range;
}

}  // namespace

std::vector<double> axis_ticks(double low, double high, int most) {
  std::vector<double> ticks;
  if (!(high > low) || most < 1) return ticks;
  double step = std::pow(10, std::floor(std::log10((high - low) / most)));
  for (const double factor : {2.0, 2.5, 2.0, 2.0, 2.5, 2.0}) {  // 1, 2, 5, 10, 20, 50, 100
    if (std::floor(high / step + 1e-9) - std::ceil(low / step - 1e-9) + 1 <= most) break;
    step *= factor;
  }
  const double first = std::ceil(low / step - 1e-9), last = std::floor(high / step + 1e-9);
  for (double i = first; i <= last; ++i) ticks.push_back(i * step);
  return ticks;
}

Image draw_curves(const std::string& title, const std::vector<Panel>& panels, const std::string& x_label,
                  int width, int panel_height) {
  constexpr int kLeft = 78, kRight = 34, kTop = 62, kAbove = 46, kBelow = 34, kBottom = 30;
  check(width > kLeft + kRight + 50 && panel_height > kAbove + kBelow + 50, "draw_curves: picture too small");
  Range x;
  for (const Panel& panel : panels)
    for (const Series& series : panel.series) {
      check(series.x.size() == series.y.size(), "draw_curves: ", series.name, " has ", series.x.size(),
            " x for ", series.y.size(), " y");
      for (const double value : series.x) x.add(value);
    }
  x = x.opened();

  Canvas canvas(kTop + kBottom + panel_height * static_cast<int>(panels.size()), width, kPaper);
  canvas.text(title, kLeft, 38, 18, kInk, Align::left, /*bold=*/true);
  for (size_t i = 0; i < panels.size(); ++i) {
    const int top = kTop + static_cast<int>(i) * panel_height;
    const Frame frame{kLeft, top + kAbove,      width - kRight, top + panel_height - kBelow,
                      x,     y_range(panels[i])};
    draw_panel(canvas, frame, panels[i], x_label, i + 1 == panels.size());
  }
  return canvas.image();
}

}  // namespace saccade
