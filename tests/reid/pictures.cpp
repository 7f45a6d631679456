#include <cmath>

#include "reid/pictures/canvas.h"
#include "reid/pictures/curves.h"
#include "reid/pictures/ranked.h"
#include "tests/common/catch.h"
#include "tests/reid/folder.h"

using namespace saccade;

namespace {

bool is_color(const Image& image, int y, int x, Color color) {
  const uint8_t* pixel = image.at(y, x);
  return pixel[0] == color.red && pixel[1] == color.green && pixel[2] == color.blue;
}

int64_t count_color(const Image& image, Color color) {
  int64_t count = 0;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) count += is_color(image, y, x, color);
  return count;
}

constexpr Color kWhite = {255, 255, 255}, kBlack = {0, 0, 0};
constexpr Color kRight = {24, 150, 72}, kWrong = {208, 44, 44};

}  // namespace

TEST_CASE("a canvas draws inside of its borders and clips the rest") {
  Canvas canvas(20, 30, kWhite);
  canvas.box(-5, -5, 5, 5, {1, 2, 3});
  canvas.picture(Image(4, 4, 9), 28, 18);
  canvas.picture(Image(4, 4, 9), -10, -10);
  canvas.picture(Image(4, 4, 9), 300, 300);
  canvas.stroke({{-100, 10.5}, {100, 10.5}}, 1, kBlack);
  canvas.text("clipped on every side", -10, 3, 12, {200, 0, 0});
  CHECK(is_color(canvas.image(), 12, 4, kWhite));
  CHECK(is_color(canvas.image(), 19, 29, {9, 9, 9}));
  for (int x = 0; x < 30; ++x) CHECK(is_color(canvas.image(), 10, x, kBlack));
  CHECK(is_color(canvas.image(), 8, 15, kWhite));
}

TEST_CASE("a stroke that crosses itself is no darker there, and its edges are soft") {
  Canvas canvas(40, 40, kWhite);
  canvas.stroke({{5, 5}, {35, 35}, {35, 5}, {5, 35}}, 4, kBlack, 0.5);
  CHECK(is_color(canvas.image(), 20, 20, {128, 128, 128}));
  CHECK(is_color(canvas.image(), 10, 10, {128, 128, 128}));
  int64_t soft = 0;
  for (const uint8_t value : canvas.image().pixels) soft += value > 128 && value < 255;
  CHECK(soft > 50);
}

TEST_CASE("every printable character has a shape of its own") {
  // Letters, digits and what numbers, names and titles are written with.
  const std::string known =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,:;-+=_/|()[]<>%#*!?'\"";
  std::vector<std::vector<uint8_t>> seen;
  for (const char c : known + "\x7f") {
    Canvas canvas(60, 60, kWhite);
    canvas.text(std::string(1, c), 10, 40, 24, kBlack);
    INFO(c);
    CHECK(count_color(canvas.image(), kWhite) < 60 * 60 - 4);
    CHECK(std::find(seen.begin(), seen.end(), canvas.image().pixels) == seen.end());
    seen.push_back(canvas.image().pixels);
  }
  CHECK(Canvas::text_width("", 10) == 0);
  CHECK(Canvas::text_width("ab", 20) == Approx(2 * Canvas::text_width("ab", 10)));
  CHECK(Canvas::text_width("111", 10) == Approx(Canvas::text_width("888", 10)));
}

TEST_CASE("text is aligned") {
  const auto columns_with_ink = [](Align align) {
    Canvas canvas(30, 200, kWhite);
    canvas.text("HHHH", 100, 20, 10, kBlack, align);
    int first = 200, last = 0;
    for (int x = 0; x < 200; ++x)
      for (int y = 0; y < 30; ++y)
        if (!is_color(canvas.image(), y, x, kWhite)) {
          first = std::min(first, x);
          last = std::max(last, x);
        }
    return std::make_pair(first, last);
  };
  CHECK(columns_with_ink(Align::left).first >= 98);
  CHECK(columns_with_ink(Align::right).second <= 101);
  const auto [first, last] = columns_with_ink(Align::center);
  CHECK(std::abs((first + last + 1) / 2 - 100) <= 1);
}

TEST_CASE("ticks are round and inside") {
  CHECK(axis_ticks(0, 1, 6) == std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1});
  CHECK(axis_ticks(0, 30, 10) == std::vector<double>{0, 5, 10, 15, 20, 25, 30});
  CHECK(axis_ticks(-3, 119, 10) == std::vector<double>{0, 20, 40, 60, 80, 100});
  CHECK(axis_ticks(1, 1, 5).empty());
  PhiloxStream random(1);
  for (int trial = 0; trial < 500; ++trial) {
    const double low = random.normal() * std::pow(10, random.uniform(-6, 6));
    const double high = low + std::pow(10, random.uniform(-6, 6));
    const std::vector<double> ticks = axis_ticks(low, high, 6);
    CHECK(ticks.size() >= 2);
    CHECK(ticks.size() <= 6);
    for (const double tick : ticks) {
      CHECK(tick >= low - 1e-6 * (high - low));
      CHECK(tick <= high + 1e-6 * (high - low));
    }
  }
}

TEST_CASE("curves land where their values are") {
  const Color first = {0, 104, 178}, second = {213, 94, 0};
  Series flat{"flat", {}, {}}, rising{"rising", {}, {}};
  for (int i = 0; i <= 50; ++i) {
    flat.x.push_back(i);
    flat.y.push_back(0.25);
    rising.x.push_back(i);
    rising.y.push_back(i / 50.0);
  }
  const Image image = draw_curves("title", {{"scores", {flat, rising}, 0, 1}}, "epoch", 700, 400);
  CHECK(image.width == 700);
  // The plot reaches from y = 108 (value 1) to 428 (value 0): 0.25 lies at 348.
  CHECK(is_color(image, 347, 500, first));
  CHECK(count_color(image, first) > 500);
  // rising = 0.5 at x = 25: column (78 + 666) / 2, row 268.
  CHECK(is_color(image, 268, 372, second));
  CHECK(draw_curves("title", {{"scores", {flat, rising}, 0, 1}}, "epoch", 700, 400).pixels == image.pixels);
}

TEST_CASE("curves take whatever a training leaves") {
  const double nan = std::nan(""), inf = INFINITY;
  const std::vector<Panel> panels = {
      {"empty", {}},
      {"no points", {{"a", {}, {}}}},
      {"one point", {{"a", {3}, {2}}}},
      {"constant", {{"a", {0, 1, 2}, {0, 0, 0}}}},
      {"gaps", {{"a", {0, 1, 2, 3, 4}, {1, nan, 2, inf, -inf}}}},
      {"nothing finite", {{"a", {0, 1}, {nan, nan}}}},
      {"huge", {{"a", {0, 1}, {1e300, -1e300}}, {"b", {0, 1}, {1e-300, 5}}}},
      {"many names that do not fit on the line",
       std::vector<Series>(20, {"a long name of a series", {0, 1}, {0, 1}})},
  };
  const Image image =
      draw_curves("a very long title that runs out of the picture " + std::string(200, 'x'), panels);
  CHECK(image.height == 62 + 30 + 8 * 330);
  CHECK(draw_curves("", {}).height > 0);
  std::vector<double> x, y;
  PhiloxStream random(2);
  for (int i = 0; i < 3000; ++i) {
    x.push_back(i);
    y.push_back(i % 500 == 0 ? nan : random.normal());
  }
  CHECK(count_color(draw_curves("noise", {{"a", {{"a", x, y}}}}), {0, 104, 178}) > 500);
  CHECK_THROWS_AS(draw_curves("", {{"a", {{"a", {1, 2}, {1}}}}}), Error);
}

TEST_CASE("ranked pictures are framed by whether they are right") {
  const auto picture = [](bool correct, int camid) {
    RankedPicture p;
    p.image = Image(64, 32, 77);
    p.pid = 12;
    p.camid = camid;
    p.correct = correct;
    return p;
  };
  RankedRow row;
  row.query = picture(false, 1);
  row.gallery = {picture(true, 2), picture(false, -1)};
  const Image image = draw_ranked("title", {row}, 160, 80);
  // Query at x = 30; ranks from 156 on, 100 apart; frames 4 wide around 80 x 160; rows from y = 100.
  CHECK(is_color(image, 101, 157, kRight));
  CHECK(is_color(image, 266, 242, kRight));
  CHECK(is_color(image, 101, 257, kWrong));
  CHECK(is_color(image, 180, 200, {77, 77, 77}));
  CHECK(is_color(image, 180, 400, kWhite));  // no third picture
  CHECK_FALSE(is_color(image, 101, 31, kRight));
  CHECK_FALSE(is_color(image, 101, 31, kWrong));

  row.average_precision = 0.5;
  row.gallery.assign(25, picture(true, 1));  // ten are shown
  const Image wide = draw_ranked("title", {row, row}, 160, 80);
  CHECK(wide.width > image.width);
  CHECK(is_color(wide, 101, 30 + 26 + 10 * 100 + 1, kRight));
  CHECK(draw_ranked("no rows", {}).height > 0);
}
