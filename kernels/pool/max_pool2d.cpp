#include "kernels/pool/max_pool2d.h"

#include "kernels/common/parallel.h"

namespace saccade {

namespace {
constexpr int64_t kBlock = 64;  // channels that stay in registers and L1 while the loop passes the taps

// Pools channels [0, count) of one output position. `pixel` is tap (0, 0), which may lie outside the image.
void pool_block(const Window& w, Window::Range rows, Window::Range columns, const float* pixel, int64_t count,
                float* y, uint8_t* tap) {
  float best[kBlock];
  int32_t winner[kBlock];
  bool first = true;
  for (int64_t r = rows.begin; r < rows.end; ++r)
    for (int64_t s = columns.begin; s < columns.end; ++s) {
      const float* x = pixel + (r * w.width + s) * w.channels;
      const int32_t index = static_cast<int32_t>(r * w.kernel + s);
      if (first) {
        std::copy(x, x + count, best);
        std::fill(winner, winner + count, index);
        first = false;
        continue;
      }
      for (int64_t c = 0; c < count; ++c) {
        // A NaN wins against all but an earlier NaN.
        const bool wins = (x[c] > best[c]) | ((x[c] != x[c]) & (best[c] == best[c]));
        best[c] = wins ? x[c] : best[c];
        winner[c] = wins ? index : winner[c];
      }
    }
  for (int64_t c = 0; c < count; ++c) y[c] = best[c];
  for (int64_t c = 0; c < count; ++c) tap[c] = static_cast<uint8_t>(winner[c]);
}
}  // namespace

template <>
template <>
void MaxPool2d<Device::cpu>::forward(Context& context, const Window& w, const float* x, float* y,
                                     uint8_t* tap) {
  const int64_t out_rows = w.out_height(), out_columns = w.out_width();
  parallel_for(context, w.batch * out_rows, 4, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t n = row / out_rows, i = row % out_rows;
      const auto rows = w.taps(i, w.height);
      for (int64_t j = 0; j < out_columns; ++j) {
        const auto columns = w.taps(j, w.width);
        const int64_t corner = (n * w.height + i * w.stride - w.padding) * w.width + j * w.stride - w.padding;
        const int64_t out = (row * out_columns + j) * w.channels;
        for (int64_t c = 0; c < w.channels; c += kBlock)
          pool_block(w, rows, columns, x + corner * w.channels + c, std::min(kBlock, w.channels - c),
                     y + out + c, tap + out + c);
      }
    }
  });
}

// Each input position gathers from the windows that hold it, so rows are independent and the order is fixed.
template <>
template <>
void MaxPool2d<Device::cpu>::backward(Context& context, const Window& w, const float* grad_y,
                                      const uint8_t* tap, float* grad_x) {
  const int64_t out_rows = w.out_height(), out_columns = w.out_width();
  parallel_for(context, w.batch * w.height, 4, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t n = row / w.height, h = row % w.height;
      const auto above = w.outputs(h, out_rows);
      for (int64_t column = 0; column < w.width; ++column) {
        const auto left = w.outputs(column, out_columns);
        float* to = grad_x + (row * w.width + column) * w.channels;
        std::fill(to, to + w.channels, 0.0f);
        for (int64_t i = above.begin; i < above.end; ++i)
          for (int64_t j = left.begin; j < left.end; ++j) {
            const int64_t r = h + w.padding - i * w.stride, s = column + w.padding - j * w.stride;
            const auto index = static_cast<uint8_t>(r * w.kernel + s);
            const int64_t out = ((n * out_rows + i) * out_columns + j) * w.channels;
            const float* from = grad_y + out;
            const uint8_t* won = tap + out;
            for (int64_t c = 0; c < w.channels; ++c) to[c] += won[c] == index ? from[c] : 0.0f;
          }
      }
    }
  });
}

}  // namespace saccade
