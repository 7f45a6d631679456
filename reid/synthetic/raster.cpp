#include "reid/synthetic/raster.h"

namespace saccade::synthetic {

Color hsv(float hue, float saturation, float value) {
  const auto channel = [&](float n) {
    const float k = std::fmod(std::fmod(n + hue / 60, 6.0f) + 6.0f, 6.0f);
    return value - value * saturation * std::clamp(std::min(k, 4 - k), 0.0f, 1.0f);
  };
  return {channel(5), channel(3), channel(1)};
}

Raster resample(const Raster& raster, const Box& from, int height, int width) {
  Raster out(height, width);
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
          sum = sum + raster.at(std::clamp(j, 0, raster.height() - 1), std::clamp(i, 0, raster.width() - 1)) *
                          weight;
          total += weight;
        }
      }
      out.at(y, x) = sum * (1 / std::max(total, 1e-9f));
    }
  }
  return out;
}

Raster bilinear(const Raster& raster, int height, int width) {
  Raster out(height, width);
  const float sx = static_cast<float>(raster.width()) / static_cast<float>(width);
  const float sy = static_cast<float>(raster.height()) / static_cast<float>(height);
  for (int y = 0; y < height; ++y) {
    const float fy =
        std::clamp((static_cast<float>(y) + 0.5f) * sy - 0.5f, 0.0f, static_cast<float>(raster.height() - 1));
    const int y0 = static_cast<int>(fy), y1 = std::min(y0 + 1, raster.height() - 1);
    for (int x = 0; x < width; ++x) {
      const float fx = std::clamp((static_cast<float>(x) + 0.5f) * sx - 0.5f, 0.0f,
                                  static_cast<float>(raster.width() - 1));
      const int x0 = static_cast<int>(fx), x1 = std::min(x0 + 1, raster.width() - 1);
      const float ax = fx - static_cast<float>(x0), ay = fy - static_cast<float>(y0);
      out.at(y, x) = mix(mix(raster.at(y0, x0), raster.at(y0, x1), ax),
                         mix(raster.at(y1, x0), raster.at(y1, x1), ax), ay);
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
void blur_axis(Raster* raster, float sigma, int step_x, int step_y) {
  if (sigma <= 0.05f) return;
  const std::vector<float> weights = gaussian(sigma);
  const int radius = static_cast<int>(weights.size()) / 2;
  const Raster source = *raster;
  for (int y = 0; y < source.height(); ++y) {
    for (int x = 0; x < source.width(); ++x) {
      Color sum;
      for (int k = -radius; k <= radius; ++k) {
        const int i = std::clamp(x + k * step_x, 0, source.width() - 1);
        const int j = std::clamp(y + k * step_y, 0, source.height() - 1);
        sum = sum + source.at(j, i) * weights[k + radius];
      }
      raster->at(y, x) = sum;
    }
  }
}

}  // namespace

void blur(Raster* raster, float sigma_x, float sigma_y) {
  blur_axis(raster, sigma_x, 1, 0);
  blur_axis(raster, sigma_y, 0, 1);
}

std::vector<uint8_t> to_bytes(const Raster& raster) {
  std::vector<uint8_t> bytes;
  bytes.reserve(static_cast<size_t>(raster.width()) * raster.height() * 3);
  for (int y = 0; y < raster.height(); ++y) {
    for (int x = 0; x < raster.width(); ++x) {
      for (const float value : {raster.at(y, x).r, raster.at(y, x).g, raster.at(y, x).b}) {
        bytes.push_back(static_cast<uint8_t>(std::clamp(value, 0.0f, 1.0f) * 255 + 0.5f));
      }
    }
  }
  return bytes;
}

}  // namespace saccade::synthetic
