// Drawing with smooth edges: filled boxes, strokes, pictures, and text in a stroke font of our own.
//
// Sizes go rows first, as in Image: (height, width). Positions are in pixels and go x first: x to the right,
// y down, the center of the upper left pixel at (0.5, 0.5).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reid/data/image.h"

namespace saccade {

struct Color {
  uint8_t red = 0, green = 0, blue = 0;
};

struct Point {
  double x = 0, y = 0;
};

enum class Align { left, center, right };

class Canvas {
 public:
  Canvas(int height, int width, Color background);

  int height() const { return image_.height; }
  int width() const { return image_.width; }
  const Image& image() const { return image_; }

  // All of these clip what lies outside the canvas.
  // Fills the pixels from x0 to x1 - 1 and from y0 to y1 - 1.
  void box(int x0, int y0, int x1, int y1, Color color, double opacity = 1);
  // Copies a picture; its upper left corner comes to (x, y).
  void picture(const Image& picture, int x, int y);
  // Moves a round pen of `pen` pixels through the points; one point gives a dot. Where the stroke crosses
  // itself it is no darker.
  void stroke(const std::vector<Point>& points, double pen, Color color, double opacity = 1);
  // `size` is the height of a capital letter in pixels, and (x, y) is where the baseline begins, has its
  // middle or ends, as `align` says. A byte without a glyph (all beyond printable ASCII) shows as a box.
  void text(const std::string& line, double x, double y, double size, Color color, Align align = Align::left,
            bool bold = false);
  // The length of the line in pixels.
  static double text_width(const std::string& line, double size);

 private:
  void cover(const std::vector<Point>& points, double pen);
  void blend(Color color, double opacity);

  Image image_;
  std::vector<float> coverage_;      // [height, width], of the stroke that is being drawn; 0 between strokes
  int left_, top_, right_, bottom_;  // the part of it that is not 0
};

}  // namespace saccade
