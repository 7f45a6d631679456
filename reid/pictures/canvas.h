// Drawing with smooth edges: filled boxes, strokes, pictures, and text in a stroke font of our own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reid/data/image.h"

namespace saccade {

struct Color {
  uint8_t red = 0, green = 0, blue = 0;
};

// In pixels from the upper left corner of the canvas; pixel (0, 0) has its center at (0.5, 0.5).
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

  // What lies outside of the canvas is clipped, in all of these.
  void box(int x, int y, int box_width, int box_height, Color color, double opacity = 1);
  void picture(const Image& picture, int x, int y);
  // A line of round pen through the points; one point gives a dot. Crossing itself does not darken it.
  void stroke(const std::vector<Point>& points, double pen, Color color, double opacity = 1);
  // `size` is the height of a capital letter, (x, y) where the baseline begins, has its middle or ends.
  // Printable ASCII; a byte without a glyph shows as a small box.
  void text(const std::string& line, double x, double y, double size, Color color, Align align = Align::left,
            bool bold = false);
  static double text_width(const std::string& line, double size);

 private:
  void cover(const std::vector<Point>& points, double pen);
  void blend(Color color, double opacity);

  Image image_;
  std::vector<float> coverage_;      // [height, width], of the stroke being drawn; 0 in between
  int left_, top_, right_, bottom_;  // the part of it in use
};

}  // namespace saccade
