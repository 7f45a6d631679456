#include "kernels/pool/region_pool.h"

#include <algorithm>
#include <vector>

#include "kernels/common/parallel.h"

namespace saccade {

namespace {
constexpr int64_t kBlock = 64;  // channels of one task

// The sum and the maximum of one image row for a block of channels: each band that holds the row uses them.
struct Row {
  float sum[kBlock], best[kBlock];
  int32_t winner[kBlock];
};

void reduce_row(const float* x, int64_t width, int64_t channels, int64_t count, int64_t first, Row& row) {
  std::copy(x, x + count, row.sum);
  std::copy(x, x + count, row.best);
  std::fill(row.winner, row.winner + count, static_cast<int32_t>(first));
  for (int64_t w = 1; w < width; ++w) {
    const float* in = x + w * channels;
    const auto index = static_cast<int32_t>(first + w);
    for (int64_t c = 0; c < count; ++c) {
      row.sum[c] += in[c];
      const bool wins = in[c] > row.best[c];
      row.best[c] = wins ? in[c] : row.best[c];
      row.winner[c] = wins ? index : row.winner[c];
    }
  }
}

// Joins the rows of one band.
void join(const RegionShape& s, const RowRange& band, const std::vector<Row>& rows, int64_t count, float* y,
          int32_t* winner) {
  Row all = rows[static_cast<size_t>(band.begin)];
  for (int64_t h = band.begin + 1; h < band.end; ++h) {
    const Row& row = rows[static_cast<size_t>(h)];
    for (int64_t c = 0; c < count; ++c) {
      all.sum[c] += row.sum[c];
      const bool wins = row.best[c] > all.best[c];
      all.best[c] = wins ? row.best[c] : all.best[c];
      all.winner[c] = wins ? row.winner[c] : all.winner[c];
    }
  }
  const float scale = s.average ? 1.0f / static_cast<float>((band.end - band.begin) * s.width) : 0.0f;
  for (int64_t c = 0; c < count; ++c)
    y[c] = (s.average ? all.sum[c] * scale : 0.0f) + (s.maximum ? all.best[c] : 0.0f);
  if (s.maximum) std::copy(all.winner, all.winner + count, winner);
}
}  // namespace

template <>
template <>
void RegionPool<Device::cpu>::forward(Context& context, const RegionShape& s, const float* x, float* y,
                                      int32_t* winner) {
  const int64_t blocks = (s.channels + kBlock - 1) / kBlock;
  parallel_for(context, s.batch * blocks, 1, [&](int64_t begin, int64_t end) {
    std::vector<Row> rows(static_cast<size_t>(s.height));
    for (int64_t task = begin; task < end; ++task) {
      const int64_t n = task / blocks, first = task % blocks * kBlock,
                    count = std::min(kBlock, s.channels - first);
      for (int64_t h = 0; h < s.height; ++h)
        reduce_row(x + (n * s.height + h) * s.width * s.channels + first, s.width, s.channels, count,
                   h * s.width, rows[static_cast<size_t>(h)]);
      for (int64_t k = 0; k < s.count; ++k) {
        const int64_t out = (k * s.batch + n) * s.channels + first;
        join(s, s.bands[k], rows, count, y + out, s.maximum ? winner + out : nullptr);
      }
    }
  });
}

template <>
template <>
void RegionPool<Device::cpu>::backward(Context& context, const RegionShape& s, const float* grad_y,
                                       const int32_t* winner, float* grad_x) {
  const int64_t blocks = (s.channels + kBlock - 1) / kBlock;
  parallel_for(context, s.batch * blocks, 1, [&](int64_t begin, int64_t end) {
    float mean[kBlock];
    for (int64_t task = begin; task < end; ++task) {
      const int64_t n = task / blocks, first = task % blocks * kBlock,
                    count = std::min(kBlock, s.channels - first);
      float* image = grad_x + n * s.height * s.width * s.channels + first;
      for (int64_t h = 0; h < s.height; ++h) {
        std::fill(mean, mean + count, 0.0f);
        for (int64_t k = 0; s.average && k < s.count; ++k) {
          if (h < s.bands[k].begin || h >= s.bands[k].end) continue;
          const float scale = 1.0f / static_cast<float>((s.bands[k].end - s.bands[k].begin) * s.width);
          const float* grad = grad_y + (k * s.batch + n) * s.channels + first;
          for (int64_t c = 0; c < count; ++c) mean[c] += scale * grad[c];
        }
        for (int64_t w = 0; w < s.width; ++w)
          std::copy(mean, mean + count, image + (h * s.width + w) * s.channels);
      }
      for (int64_t k = 0; s.maximum && k < s.count; ++k) {
        const int64_t out = (k * s.batch + n) * s.channels + first;
        for (int64_t c = 0; c < count; ++c) image[winner[out + c] * s.channels + c] += grad_y[out + c];
      }
    }
  });
}

}  // namespace saccade
