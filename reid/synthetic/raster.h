// A raster of light for rendering scenes: float colors, from 0 to 1 and not clamped until to_bytes(), and for
// each pixel a label of what it shows. Shapes are drawn as a coverage (0 to 1 a pixel, from the distance to
// the edge) times a color that any callable computes.
//
// Sizes and pixel indices go rows first, as in Image: (height, width), at(row, column). Positions are in pixels and go
// x first: x to the right, y down, the center of pixel at(row, column) at x = column + 0.5, y = row + 0.5.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace saccade::synthetic {

struct Color {
  float r = 0, g = 0, b = 0;
};
inline Color operator+(Color a, Color b) {
  return {a.r + b.r, a.g + b.g, a.b + b.b};
}
inline Color operator*(Color a, Color b) {
  return {a.r * b.r, a.g * b.g, a.b * b.b};
}
inline Color operator*(Color a, float s) {
  return {a.r * s, a.g * s, a.b * s};
}
inline Color mix(Color a, Color b, float share) {
  return a * (1 - share) + b * share;
}
// The color of a hue in degrees (any real number), a saturation and a value from 0 to 1.
Color hsv(float hue, float saturation, float value);

struct Point {
  float x = 0, y = 0;
};

struct Box {
  float x0 = 0, y0 = 0, x1 = 0, y1 = 0;
};

class Raster {
 public:
  Raster(int height, int width)
      : height_(height),
        width_(width),
        pixels_(static_cast<size_t>(height) * width),
        labels_(pixels_.size(), 0) {}
  int height() const { return height_; }
  int width() const { return width_; }
  Color& at(int row, int column) { return pixels_[index(row, column)]; }
  const Color& at(int row, int column) const { return pixels_[index(row, column)]; }
  // What a pixel shows, for measuring what is visible: the label of the last shape that covers most of it.
  uint8_t label(int row, int column) const { return labels_[index(row, column)]; }

  // The one drawing loop, which every shape goes through. shade(x, y, &color) returns the coverage of the
  // pixel with its center at (x, y), and sets its color where that is above 0.
  template <class Shade>
  void paint(const Box& bounds, uint8_t label, Shade&& shade) {
    const int left = clip(bounds.x0 - 1, width_), right = clip(bounds.x1 + 2, width_);
    const int top = clip(bounds.y0 - 1, height_), bottom = clip(bounds.y1 + 2, height_);
    for (int row = top; row < bottom; ++row) {
      for (int column = left; column < right; ++column) {
        Color color;
        const float cover = shade(static_cast<float>(column) + 0.5f, static_cast<float>(row) + 0.5f, &color);
        if (cover <= 0) continue;
        const size_t i = index(row, column);
        pixels_[i] = mix(pixels_[i], color, std::min(cover, 1.0f));
        if (cover > 0.5f) labels_[i] = label;
      }
    }
  }

  // A tube from a to b whose half width at t (0 at a, 1 at b) is width(t), at most max_width; `round` adds a
  // cap at both ends. color(t, s): s goes from -1 to 1 across the tube and is positive on the right of one
  // that points down.
  template <class Width, class Shade>
  void tube(Point a, Point b, float max_width, bool round, uint8_t label, Width&& width, Shade&& color) {
    const float dx = b.x - a.x, dy = b.y - a.y, length = std::max(std::sqrt(dx * dx + dy * dy), 1e-3f);
    const float ux = dx / length, uy = dy / length;
    const Box bounds{std::min(a.x, b.x) - max_width, std::min(a.y, b.y) - max_width,
                     std::max(a.x, b.x) + max_width, std::max(a.y, b.y) + max_width};
    paint(bounds, label, [&](float x, float y, Color* out) {
      const float along = (x - a.x) * ux + (y - a.y) * uy, across = (x - a.x) * uy - (y - a.y) * ux;
      const float t = std::clamp(along / length, 0.0f, 1.0f), w = width(t);
      const float beyond = along - t * length;
      const float distance = round ? w - std::sqrt(across * across + beyond * beyond)
                                   : std::min(w - std::fabs(across), -std::fabs(beyond) + 0.5f);
      const float cover = std::clamp(distance + 0.5f, 0.0f, 1.0f);
      if (cover > 0) *out = color(t, std::clamp(across / std::max(w, 1e-3f), -1.0f, 1.0f));
      return cover;
    });
  }

  // color(u, v): u, v from -1 to 1 in the ellipse's own axes.
  template <class Shade>
  void ellipse(Point center, float rx, float ry, uint8_t label, Shade&& color) {
    paint({center.x - rx, center.y - ry, center.x + rx, center.y + ry}, label,
          [&](float x, float y, Color* out) {
            const float u = (x - center.x) / rx, v = (y - center.y) / ry, r = std::sqrt(u * u + v * v);
            const float cover = std::clamp((1 - r) * std::min(rx, ry) + 0.5f, 0.0f, 1.0f);
            if (cover > 0) *out = color(u, v);
            return cover;
          });
  }

  // A box with rounded corners; color(u, v): 0 to 1 from the top left.
  template <class Shade>
  void rounded_box(const Box& box, float radius, uint8_t label, Shade&& color) {
    const float cx = (box.x0 + box.x1) / 2, cy = (box.y0 + box.y1) / 2;
    const float hx = (box.x1 - box.x0) / 2, hy = (box.y1 - box.y0) / 2;
    radius = std::min({radius, hx, hy});
    paint(box, label, [&](float x, float y, Color* out) {
      const float qx = std::fabs(x - cx) - hx + radius, qy = std::fabs(y - cy) - hy + radius;
      const float outside =
          std::hypot(std::max(qx, 0.0f), std::max(qy, 0.0f)) + std::min(std::max(qx, qy), 0.0f);
      const float cover = std::clamp(radius - outside + 0.5f, 0.0f, 1.0f);
      if (cover > 0) *out = color((x - box.x0) / (2 * hx), (y - box.y0) / (2 * hy));
      return cover;
    });
  }

 private:
  static int clip(float value, int size) {
    return static_cast<int>(std::clamp(value, 0.0f, static_cast<float>(size)));
  }

  size_t index(int row, int column) const { return static_cast<size_t>(row) * width_ + column; }

  int height_, width_;
  std::vector<Color> pixels_;
  std::vector<uint8_t> labels_;
};

// The area `from` in height x width pixels, each the mean over its footprint; edge pixels repeat.
Raster resample(const Raster& raster, const Box& from, int height, int width);
// Bilinear enlargement, or any resizing that does not shrink by more than 2.
Raster bilinear(const Raster& raster, int height, int width);
// Gaussian blur with standard deviations in pixels along x and y; up to 0.05 leaves that axis alone.
void blur(Raster* raster, float sigma_x, float sigma_y);
// [height, width, 3]: each color clamped to 0 to 1 and rounded to a byte.
std::vector<uint8_t> to_bytes(const Raster& raster);

}  // namespace saccade::synthetic
