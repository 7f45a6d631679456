#include "reid/pictures/canvas.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>

namespace saccade {
namespace {

// A glyph is a list of strokes, each a list of points "xy" on a grid of the digits 0..9, a..g. The baseline
// is at y = 4; small letters reach up to c, capitals to g, and descenders down to 0. A stroke that begins
// with "~" is the control polygon of a smooth curve, which touches the middle of every inner side.
const std::map<char, const char*>& glyphs() {
  static const std::map<char, const char*> table = {
      {'A', "044g84 2969"},
      {'B', "040g ~0g7g7a0a ~0a8a8404 0g2g 0a2a 0424"},
      {'C', "~8d8g0g048487"},
      {'D', "040g ~0g3g8g843404"},
      {'E', "7g0g0474 0a6a"},
      {'F', "7g0g04 0a6a"},
      {'G', "~8d8g0g04848a 8a5a"},
      {'H', "040g 848g 0a8a"},
      {'I', "040g"},
      {'J', "~6g68640407"},
      {'K', "040g 8g09 2a84"},
      {'L', "0g0474"},
      {'M', "040g49 499g94"},
      {'N', "040g848g"},
      {'O', "~04949g0g04"},
      {'P', "040g ~0g3g8g893909"},
      {'Q', "~04949g0g04 6793"},
      {'R', "040g ~0g3g8g893909 4984"},
      {'S', "~8d8g0g0a8a840407"},
      {'T', "0g8g 4g44"},
      {'U', "~0g080484888g"},
      {'V', "0g448g"},
      {'W', "0g345e74ag"},
      {'X', "048g 0g84"},
      {'Y', "0g4a8g 4a44"},
      {'Z', "0g8g0484"},
      {'a', "~04747c0c04 7c74"},
      {'b', "~04747c0c04 0g04"},
      {'c', "~7a7c0c047476"},
      {'d', "~04747c0c04 7g74"},
      {'e', "0878 ~787c0c047476"},
      {'f', "~5g2g2d24 0c5c"},
      {'g', "~04747c0c04 ~7c73700001"},
      {'h', "0g04 ~080c7c7874"},
      {'i', "0c04 0g0g"},
      {'j', "~3c323000 3g3g"},
      {'k', "0g04 6c07 2864"},
      {'l', "~0g070424"},
      {'m', "0c04 ~080c5c5854 ~585caca8a4"},
      {'n', "0c04 ~080c7c7874"},
      {'o', "~04747c0c04"},
      {'p', "~04747c0c04 0c00"},
      {'q', "~04747c0c04 7c70"},
      {'r', "0c04 ~080c4c"},
      {'s', "~6a6c0c0868640406"},
      {'t', "~2f262454 0c5c"},
      {'u', "~0c08047478 7c74"},
      {'v', "0c346c"},
      {'w', "0c244b648c"},
      {'x', "046c 0c64"},
      {'y', "0c34 6c20"},
      {'z', "0c6c0464"},
      {'0', "~04747g0g04"},
      {'1', "1d4g44"},
      {'2', "~0d0g7g7b04 0474"},
      {'3', "~0e0g7g7a3a ~3a7a740406"},
      {'4', "545g0878"},
      {'5', "6g0g0b ~0b7b740406"},
      {'6', "~04747b0b04 ~6g4g0d08"},
      {'7', "0g7g24"},
      {'8', "~0a7a7g0g0a ~04747a0a04"},
      {'9', "~09797g0g09 ~7c773414"},
      {'.', "0404"},
      {',', "1402"},
      {':', "0505 0b0b"},
      {';', "1502 1b1b"},
      {'-', "0959"},
      {'+', "0969 3c36"},
      {'=', "0767 0b6b"},
      {'_', "0373"},
      {'/', "035g"},
      {'|', "0g02"},
      {'(', "~3g0d0632"},
      {')', "~0g3d3602"},
      {'[', "2g0g0222"},
      {']', "0g2g2202"},
      {'<', "6c0965"},
      {'>', "0c6905"},
      {'%', "048g ~0c3c3g0g0c ~5484885854"},
      {'#', "142g 546g 0878 0c7c"},
      {'*', "3g3a 0e6c 0c6e"},
      {'!', "0g08 0404"},
      {'?', "~0e0g7g7b3b38 3434"},
      {'\'', "0g0d"},
      {'"', "0g0d 2g2d"},
  };
  return table;
}

constexpr double kCapital = 12;  // grid units from the baseline to the top of a capital
constexpr double kBaseline = 4;
constexpr double kGap = 3.4;    // between glyphs
constexpr double kSpace = 3.6;  // the width of a space
constexpr double kDigit = 7;    // the width of every digit, so that numbers align

int grid_value(char c) {
  return c <= '9' ? c - '0' : c - 'a' + 10;
}

// Cuts corners (Chaikin, 1974), which leads to the quadratic B-spline of the polygon.
std::vector<Point> smooth(std::vector<Point> points) {
  const bool closed = points.front().x == points.back().x && points.front().y == points.back().y;
  for (int round = 0; round < 4; ++round) {
    std::vector<Point> cut;
    if (!closed) cut.push_back(points.front());
    for (size_t i = 0; i + 1 < points.size(); ++i) {
      const Point a = points[i], b = points[i + 1];
      cut.push_back({0.75 * a.x + 0.25 * b.x, 0.75 * a.y + 0.25 * b.y});
      cut.push_back({0.25 * a.x + 0.75 * b.x, 0.25 * a.y + 0.75 * b.y});
    }
    cut.push_back(closed ? cut.front() : points.back());
    points = std::move(cut);
  }
  return points;
}

struct Glyph {
  std::vector<std::vector<Point>> strokes;  // grid units, y upwards from the baseline
  double width = 0;
};

Glyph parse_glyph(char c, const char* code) {
  Glyph glyph;
  std::vector<Point> points;
  bool curve = false;
  const auto finish = [&] {
    if (!points.empty()) glyph.strokes.push_back(curve ? smooth(points) : points);
    points.clear();
    curve = false;
  };
  for (const char* at = code; *at != '\0';) {
    if (*at == ' ') {
      finish();
      ++at;
    } else if (*at == '~') {
      curve = true;
      ++at;
    } else {
      points.push_back({static_cast<double>(grid_value(at[0])), grid_value(at[1]) - kBaseline});
      glyph.width = std::max(glyph.width, points.back().x);
      at += 2;
    }
  }
  finish();
  if (c >= '0' && c <= '9') glyph.width = kDigit;
  return glyph;
}

const Glyph& glyph_of(char c) {
  static const std::array<Glyph, 256> all = [] {
    std::array<Glyph, 256> made;
    for (Glyph& glyph : made) glyph = parse_glyph(0, "04545a0a04");
    for (const auto& [key, code] : glyphs()) made[static_cast<uint8_t>(key)] = parse_glyph(key, code);
    made[static_cast<uint8_t>(' ')] = {{}, kSpace};
    return made;
  }();
  return all[static_cast<uint8_t>(c)];
}

double distance_to_segment(double x, double y, Point a, Point b) {
  const double dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
  const double along = length2 > 0 ? std::clamp(((x - a.x) * dx + (y - a.y) * dy) / length2, 0.0, 1.0) : 0.0;
  return std::hypot(x - a.x - along * dx, y - a.y - along * dy);
}

}  // namespace

Canvas::Canvas(int height, int width, Color background)
    : image_(height, width),
      coverage_(static_cast<size_t>(height) * width),
      left_(width),
      top_(height),
      right_(0),
      bottom_(0) {
  box(0, 0, width, height, background);
}

void Canvas::box(int x0, int y0, int x1, int y1, Color color, double opacity) {
  const uint8_t value[3] = {color.red, color.green, color.blue};
  for (int row = std::max(y0, 0); row < std::min(y1, height()); ++row)
    for (int column = std::max(x0, 0); column < std::min(x1, width()); ++column)
      for (int c = 0; c < 3; ++c) {
        uint8_t& to = image_.at(row, column)[c];
        to = static_cast<uint8_t>(std::lround(to + opacity * (value[c] - to)));
      }
}

void Canvas::picture(const Image& picture, int x, int y) {
  const int begin = std::max(0, -x), end = std::min(picture.width, width() - x);
  if (begin >= end) return;
  for (int row = std::max(0, -y); row < std::min(picture.height, height() - y); ++row)
    std::memcpy(image_.at(y + row, x + begin), picture.at(row, begin), static_cast<size_t>(end - begin) * 3);
}

// Raises the coverage to that of a pen that is moved through the points.
void Canvas::cover(const std::vector<Point>& points, double pen) {
  const double radius = pen / 2;
  for (size_t i = 0; i < points.size(); ++i) {
    if (i + 1 == points.size() && i > 0) break;
    const Point a = points[i], b = points[std::min(i + 1, points.size() - 1)];
    const auto pixel = [](double value, int most) {
      return static_cast<int>(std::clamp(value, 0.0, static_cast<double>(most)));
    };
    const int x0 = pixel(std::min(a.x, b.x) - radius - 1, width()),
              x1 = pixel(std::max(a.x, b.x) + radius + 2, width());
    const int y0 = pixel(std::min(a.y, b.y) - radius - 1, height());
    const int y1 = pixel(std::max(a.y, b.y) + radius + 2, height());
    for (int y = y0; y < y1; ++y)
      for (int x = x0; x < x1; ++x) {
        const double inside = radius + 0.5 - distance_to_segment(x + 0.5, y + 0.5, a, b);
        float& covered = coverage_[static_cast<size_t>(y) * width() + x];
        // A pen thinner than a pixel covers no more than its width.
        covered = std::max(covered, static_cast<float>(std::clamp(inside, 0.0, std::min(1.0, pen))));
      }
    left_ = std::min(left_, x0);
    right_ = std::max(right_, x1);
    top_ = std::min(top_, y0);
    bottom_ = std::max(bottom_, y1);
  }
}

void Canvas::blend(Color color, double opacity) {
  const uint8_t value[3] = {color.red, color.green, color.blue};
  for (int y = top_; y < bottom_; ++y)
    for (int x = left_; x < right_; ++x) {
      float& covered = coverage_[static_cast<size_t>(y) * width() + x];
      if (covered > 0)
        for (int c = 0; c < 3; ++c) {
          uint8_t& to = image_.at(y, x)[c];
          to = static_cast<uint8_t>(std::lround(to + opacity * covered * (value[c] - to)));
        }
      covered = 0;
    }
  left_ = width();
  top_ = height();
  right_ = bottom_ = 0;
}

void Canvas::stroke(const std::vector<Point>& points, double pen, Color color, double opacity) {
  cover(points, pen);
  blend(color, opacity);
}

double Canvas::text_width(const std::string& line, double size) {
  double units = 0;
  for (const char c : line) units += glyph_of(c).width + kGap;
  return line.empty() ? 0 : (units - kGap) * size / kCapital;
}

void Canvas::text(const std::string& line, double x, double y, double size, Color color, Align align,
                  bool bold) {
  const double scale = size / kCapital, width_of_line = text_width(line, size);
  double at = align == Align::left ? x : align == Align::center ? x - width_of_line / 2 : x - width_of_line;
  for (const char c : line) {
    const Glyph& glyph = glyph_of(c);
    for (const auto& stroke : glyph.strokes) {
      std::vector<Point> points;
      for (const Point point : stroke) points.push_back({at + point.x * scale, y - point.y * scale});
      const bool dot =
          points.front().x == points.back().x && points.front().y == points.back().y && points.size() == 2;
      cover(points, std::max(1.0, size * (bold ? 0.19 : 0.13)) * (dot ? 1.4 : 1.0));
    }
    at += (glyph.width + kGap) * scale;
  }
  blend(color, 1);
}

}  // namespace saccade
