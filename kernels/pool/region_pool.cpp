#include "kernels/pool/region_pool.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"

namespace saccade {

namespace {
constexpr int64_t kBlock = 64;  // channels of one task

// The sum and the maximum of one image row for a block of channels: each band that holds the row uses them.
struct Row {
  float sum[kBlock], best[kBlock];
  int32_t winner[kBlock];
};

template <class T>
void reduce_row(const T* x, int64_t width, int64_t channels, int64_t count, int64_t first, Row& row) {
  for (int64_t c = 0; c < count; ++c) row.sum[c] = row.best[c] = float(x[c]);
  std::fill(row.winner, row.winner + count, static_cast<int32_t>(first));
  for (int64_t w = 1; w < width; ++w) {
    const T* in = x + w * channels;
    const auto index = static_cast<int32_t>(first + w);
    for (int64_t c = 0; c < count; ++c) {
      const float value = float(in[c]);
      row.sum[c] += value;
      const bool wins = value > row.best[c];
      row.best[c] = wins ? value : row.best[c];
      row.winner[c] = wins ? index : row.winner[c];
    }
  }
}

// Joins the rows of one band.
template <class T>
void join(const RegionShape& s, const RowRange& band, const std::vector<Row>& rows, int64_t count, T* y,
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

// Sums the gradient of channels [first, first + count) of image n; its pixels are `pitch` elements apart.
template <class T>
void sum_gradients(const RegionShape& s, int64_t n, int64_t first, int64_t count, const T* grad_y,
                   const int32_t* winner, float* image, int64_t pitch) {
  float mean[kBlock];
  for (int64_t h = 0; h < s.height; ++h) {
    std::fill(mean, mean + count, 0.0f);
    for (int64_t k = 0; s.average && k < s.count; ++k) {
      if (h < s.bands[k].begin || h >= s.bands[k].end) continue;
      const float scale = 1.0f / static_cast<float>((s.bands[k].end - s.bands[k].begin) * s.width);
      const T* grad = grad_y + (k * s.batch + n) * s.channels + first;
      for (int64_t c = 0; c < count; ++c) mean[c] += scale * float(grad[c]);
    }
    for (int64_t w = 0; w < s.width; ++w) std::copy(mean, mean + count, image + (h * s.width + w) * pitch);
  }
  for (int64_t k = 0; s.maximum && k < s.count; ++k) {
    const int64_t out = (k * s.batch + n) * s.channels + first;
    for (int64_t c = 0; c < count; ++c) image[winner[out + c] * pitch + c] += float(grad_y[out + c]);
  }
}
}  // namespace

template <>
template <class T>
void RegionPool<Device::cpu>::forward(Context& context, const RegionShape& s, const T* x, T* y,
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
template void RegionPool<Device::cpu>::forward(Context&, const RegionShape&, const float*, float*, int32_t*);
template void RegionPool<Device::cpu>::forward(Context&, const RegionShape&, const bf16*, bf16*, int32_t*);

template <>
template <class T>
void RegionPool<Device::cpu>::backward(Context& context, const RegionShape& s, const T* grad_y,
                                       const int32_t* winner, T* grad_x) {
  const int64_t blocks = (s.channels + kBlock - 1) / kBlock, pixels = s.height * s.width;
  parallel_for(context, s.batch * blocks, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> sums(std::is_same_v<T, float> ? 0 : static_cast<size_t>(pixels * kBlock));
    for (int64_t task = begin; task < end; ++task) {
      const int64_t n = task / blocks, first = task % blocks * kBlock,
                    count = std::min(kBlock, s.channels - first);
      T* image = grad_x + n * pixels * s.channels + first;
      if constexpr (std::is_same_v<T, float>) {
        sum_gradients(s, n, first, count, grad_y, winner, image, s.channels);
      } else {  // the image would be rounded at every step
        sum_gradients(s, n, first, count, grad_y, winner, sums.data(), kBlock);
        for (int64_t q = 0; q < pixels; ++q)
          for (int64_t c = 0; c < count; ++c)
            image[q * s.channels + c] = sums[static_cast<size_t>(q * kBlock + c)];
      }
    }
  });
}
template void RegionPool<Device::cpu>::backward(Context&, const RegionShape&, const float*, const int32_t*,
                                                float*);
template void RegionPool<Device::cpu>::backward(Context&, const RegionShape&, const bf16*, const int32_t*,
                                                bf16*);

}  // namespace saccade
