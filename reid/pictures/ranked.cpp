#include "reid/pictures/ranked.h"

#include <algorithm>
#include <cstdio>

#include "kernels/common/error.h"
#include "reid/pictures/canvas.h"

namespace saccade {
namespace {

constexpr Color kPaper = {255, 255, 255}, kInk = {38, 42, 51}, kQuiet = {110, 116, 128};
constexpr Color kRight = {24, 150, 72}, kWrong = {208, 44, 44}, kQuery = {52, 62, 84},
                kRule = {226, 229, 235};
constexpr int kShown = 10, kBorder = 4, kGap = 12, kLabel = 26, kLeft = 30, kTop = 100, kQueryGap = 26;

std::string label_of(const RankedPicture& picture) {
  std::string label = picture.pid < 0 ? "?" : std::to_string(picture.pid);
  if (picture.camid >= 0) label += " c" + std::to_string(picture.camid);
  return label;
}

void draw_mark(Canvas& canvas, bool correct, double x, double y) {
  if (correct) {
    canvas.stroke({{x, y - 4}, {x + 3.5, y - 0.5}, {x + 9, y - 8.5}}, 2.2, kRight);
  } else {
    canvas.stroke({{x + 1, y - 8}, {x + 8, y - 1}}, 2.2, kWrong);
    canvas.stroke({{x + 8, y - 8}, {x + 1, y - 1}}, 2.2, kWrong);
  }
}

struct Layout {
  int height, width;  // of a picture, without its frame
  int cell_height() const { return height + 2 * kBorder + kLabel + kGap; }
  int cell_width() const { return width + 2 * kBorder + kGap; }
  int x_of(int column) const { return kLeft + column * cell_width() + (column > 0 ? kQueryGap : 0); }
  int y_of(size_t row) const { return kTop + static_cast<int>(row) * cell_height(); }
};

void draw_cell(Canvas& canvas, const Layout& layout, const RankedPicture& picture, int x, int y,
               Color frame) {
  canvas.box(x, y, x + layout.width + 2 * kBorder, y + layout.height + 2 * kBorder, frame);
  canvas.picture(resize(picture.image, layout.height, layout.width), x + kBorder, y + kBorder);
}

void draw_row(Canvas& canvas, const Layout& layout, const RankedRow& row, int y) {
  const int baseline = y + layout.height + 2 * kBorder + 18;
  const double middle = layout.width / 2.0 + kBorder;
  draw_cell(canvas, layout, row.query, layout.x_of(0), y, kQuery);
  canvas.text(label_of(row.query), layout.x_of(0) + middle, baseline, 10, kInk, Align::center, /*bold=*/true);
  for (int rank = 0; rank < std::min<int>(kShown, static_cast<int>(row.gallery.size())); ++rank) {
    const RankedPicture& found = row.gallery[static_cast<size_t>(rank)];
    const int x = layout.x_of(rank + 1);
    draw_cell(canvas, layout, found, x, y, found.correct ? kRight : kWrong);
    const std::string label = label_of(found);
    const double begin = x + middle - (Canvas::text_width(label, 10) + 15) / 2;
    draw_mark(canvas, found.correct, begin, baseline);
    canvas.text(label, begin + 15, baseline, 10, kInk);
  }
  if (row.average_precision >= 0) {
    char text[32];
    std::snprintf(text, sizeof text, "AP %.2f", row.average_precision);
    canvas.text(text, layout.x_of(kShown + 1) + 2, y + layout.height / 2.0 + kBorder + 5, 11, kInk);
  }
}

}  // namespace

Image draw_ranked(const std::string& title, const std::vector<RankedRow>& rows, int picture_height,
                  int picture_width) {
  check(picture_height > 0 && picture_width > 0, "draw_ranked: empty pictures");
  const Layout layout{picture_height, picture_width};
  const bool with_precision =
      std::any_of(rows.begin(), rows.end(), [](const RankedRow& row) { return row.average_precision >= 0; });
  const int right = layout.x_of(kShown + 1) - kGap;
  Canvas canvas(layout.y_of(rows.size()) + 10, right + (with_precision ? 96 : kLeft), kPaper);

  canvas.text(title, kLeft, 38, 18, kInk, Align::left, /*bold=*/true);
  const double legend = right - 176;
  draw_mark(canvas, true, legend, 38);
  canvas.text("right", legend + 16, 38, 11, kInk);
  draw_mark(canvas, false, legend + 84, 38);
  canvas.text("wrong", legend + 100, 38, 11, kInk);

  const double middle = picture_width / 2.0 + kBorder;
  canvas.text("query", layout.x_of(0) + middle, kTop - 14, 11, kQuiet, Align::center);
  for (int rank = 1; rank <= kShown; ++rank)
    canvas.text(std::to_string(rank), layout.x_of(rank) + middle, kTop - 14, 11, kQuiet, Align::center);
  const double rule = layout.x_of(1) - (kQueryGap + kGap) / 2.0;
  canvas.stroke({{rule, kTop - 30.0}, {rule, layout.y_of(rows.size()) - 10.0}}, 1.5, kRule);
  for (size_t i = 0; i < rows.size(); ++i) draw_row(canvas, layout, rows[i], layout.y_of(i));
  return canvas.image();
}

}  // namespace saccade
