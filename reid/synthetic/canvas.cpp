#include "reid/synthetic/canvas.h"

namespace saccade::synthetic {

Color hsv(float hue, float saturation, float value) {
  const auto channel = [&](float n) {
    const float k = std::fmod(std::fmod(n + hue / 60, 6.0f) + 6.0f, 6.0f);
    return value - value * saturation * std::clamp(std::min(k, 4 - k), 0.0f, 1.0f);
  };
  return {channel(5), channel(3), channel(1)};
}

Canvas resample(const Canvas& canvas, const Box& from, int width, int height) {
  Canvas out(width, height);
  const float sx = (from.x1 - from.x0) / static_cast<float>(width);
  const float sy = (from.y1 - from.y0) / static_cast<float>(height);
  for (int y = 0; y < height; ++y) {
    const float top = from.y0 + static_cast<float>(y) * sy, bottom = top + sy;
    for (int x = 0; x < width; ++x) {
      const float left = from.x0 + static_cast<float>(x) * sx, right = left + sx;
      Color sum;
      float total = 0;
      for (int j = static_cast<int>(std::floor(top)); static_cast<float>(j) < bottom; ++j) {
        const float fj = static_cast<float>(j), wy = std::min(fj + 1, bottom) - std::max(fj, top);
        for (int i = static_cast<int>(std::floor(left)); static_cast<float>(i) < right; ++i) {
          const float fi = static_cast<float>(i),
                      weight = wy * (std::min(fi + 1, right) - std::max(fi, left));
          sum = sum + canvas.at(std::clamp(i, 0, canvas.width() - 1), std::clamp(j, 0, canvas.height() - 1)) *
                          weight;
          total += weight;
        }
      }
      out.at(x, y) = sum * (1 / std::max(total, 1e-9f));
    }
  }
  return out;
}

Canvas bilinear(const Canvas& canvas, int width, int height) {
  Canvas out(width, height);
  const float sx = static_cast<float>(canvas.width()) / static_cast<float>(width);
  const float sy = static_cast<float>(canvas.height()) / static_cast<float>(height);
  for (int y = 0; y < height; ++y) {
    const float fy =
        std::clamp((static_cast<float>(y) + 0.5f) * sy - 0.5f, 0.0f, static_cast<float>(canvas.height() - 1));
    const int y0 = static_cast<int>(fy), y1 = std::min(y0 + 1, canvas.height() - 1);
    for (int x = 0; x < width; ++x) {
      const float fx = std::clamp((static_cast<float>(x) + 0.5f) * sx - 0.5f, 0.0f,
                                  static_cast<float>(canvas.width() - 1));
      const int x0 = static_cast<int>(fx), x1 = std::min(x0 + 1, canvas.width() - 1);
      const float ax = fx - static_cast<float>(x0), ay = fy - static_cast<float>(y0);
      out.at(x, y) = mix(mix(canvas.at(x0, y0), canvas.at(x1, y0), ax),
                         mix(canvas.at(x0, y1), canvas.at(x1, y1), ax), ay);
    }
  }
  return out;
}

namespace {

std::vector<float> gaussian(float sigma) {
  const int radius = static_cast<int>(std::ceil(2.5f * sigma));
  std::vector<float> weights(2 * radius + 1);
  float total = 0;
  for (int i = -radius; i <= radius; ++i) {
    const float z = static_cast<float>(i) / sigma;
    total += weights[i + radius] = std::exp(-0.5f * z * z);
  }
  for (float& weight : weights) weight /= total;
  return weights;
}

// One axis of the separable blur; edge pixels repeat.
void blur_axis(Canvas* canvas, float sigma, int step_x, int step_y) {
  if (sigma <= 0.05f) return;
  const std::vector<float> weights = gaussian(sigma);
  const int radius = static_cast<int>(weights.size()) / 2;
  const Canvas source = *canvas;
  for (int y = 0; y < source.height(); ++y) {
    for (int x = 0; x < source.width(); ++x) {
      Color sum;
      for (int k = -radius; k <= radius; ++k) {
        const int i = std::clamp(x + k * step_x, 0, source.width() - 1);
        const int j = std::clamp(y + k * step_y, 0, source.height() - 1);
        sum = sum + source.at(i, j) * weights[k + radius];
      }
      canvas->at(x, y) = sum;
    }
  }
}

}  // namespace

void blur(Canvas* canvas, float sigma_x, float sigma_y) {
  blur_axis(canvas, sigma_x, 1, 0);
  blur_axis(canvas, sigma_y, 0, 1);
}

std::vector<uint8_t> to_bytes(const Canvas& canvas) {
  std::vector<uint8_t> bytes;
  bytes.reserve(static_cast<size_t>(canvas.width()) * canvas.height() * 3);
  for (int y = 0; y < canvas.height(); ++y) {
    for (int x = 0; x < canvas.width(); ++x) {
      for (const float value : {canvas.at(x, y).r, canvas.at(x, y).g, canvas.at(x, y).b}) {
        bytes.push_back(static_cast<uint8_t>(std::clamp(value, 0.0f, 1.0f) * 255 + 0.5f));
      }
    }
  }
  return bytes;
}

}  // namespace saccade::synthetic
