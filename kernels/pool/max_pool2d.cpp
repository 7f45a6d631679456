#include "kernels/pool/max_pool2d.h"

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"
#include "kernels/common/sum_in_f32.h"

namespace saccade {

namespace {
constexpr int64_t kBlock = 64;  // channels that stay in registers and L1 while the loop passes the taps

// Pools channels [0, count) of one output position. `pixel` is tap (0, 0), which may lie outside the image.
template <class T>
void pool_block(const Window& w, Window::Range rows, Window::Range columns, const T* pixel, int64_t count,
                T* y, uint8_t* tap) {
  float best[kBlock];
  int32_t winner[kBlock];
  bool first = true;
  for (int64_t r = rows.begin; r < rows.end; ++r)
    for (int64_t s = columns.begin; s < columns.end; ++s) {
      const T* x = pixel + (r * w.width + s) * w.channels;
      const int32_t index = static_cast<int32_t>(r * w.kernel + s);
      if (first) {
        for (int64_t c = 0; c < count; ++c) best[c] = float(x[c]);
        std::fill(winner, winner + count, index);
        first = false;
        continue;
      }
      for (int64_t c = 0; c < count; ++c) {
        // A NaN wins against all but an earlier NaN.
        const float value = float(x[c]);
        const bool wins = (value > best[c]) | ((value != value) & (best[c] == best[c]));
        best[c] = wins ? value : best[c];
        winner[c] = wins ? index : winner[c];
      }
    }
  for (int64_t c = 0; c < count; ++c) y[c] = best[c];
  for (int64_t c = 0; c < count; ++c) tap[c] = static_cast<uint8_t>(winner[c]);
}
}  // namespace

template <>
template <class T>
void MaxPool2d<Device::cpu>::forward(Context& context, const Window& w, const T* x, T* y, uint8_t* tap) {
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
template void MaxPool2d<Device::cpu>::forward(Context&, const Window&, const float*, float*, uint8_t*);
template void MaxPool2d<Device::cpu>::forward(Context&, const Window&, const bf16*, bf16*, uint8_t*);

// Each input position gathers from the windows that hold it, so rows are independent and the order is fixed.
template <>
template <class T>
void MaxPool2d<Device::cpu>::backward(Context& context, const Window& w, const T* grad_y, const uint8_t* tap,
                                      T* grad_x) {
  const int64_t out_rows = w.out_height(), out_columns = w.out_width();
  parallel_for(context, w.batch * w.height, 4, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t n = row / w.height, h = row % w.height;
      const auto above = w.outputs(h, out_rows);
      for (int64_t column = 0; column < w.width; ++column) {
        const auto left = w.outputs(column, out_columns);
        T* to = grad_x + (row * w.width + column) * w.channels;
        sum_in_f32(w.channels, to, [&](int64_t first, int64_t count, float* sum) {
          for (int64_t i = above.begin; i < above.end; ++i)
            for (int64_t j = left.begin; j < left.end; ++j) {
              const int64_t r = h + w.padding - i * w.stride, s = column + w.padding - j * w.stride;
              const auto index = static_cast<uint8_t>(r * w.kernel + s);
              const int64_t out = ((n * out_rows + i) * out_columns + j) * w.channels + first;
              const T* from = grad_y + out;
              const uint8_t* won = tap + out;
              for (int64_t c = 0; c < count; ++c) {
                const float grad = float(from[c]);  // read always: a conditional load would become a branch
                sum[c] += won[c] == index ? grad : 0.0f;
              }
            }
        });
      }
    }
  });
}
template void MaxPool2d<Device::cpu>::backward(Context&, const Window&, const float*, const uint8_t*, float*);
template void MaxPool2d<Device::cpu>::backward(Context&, const Window&, const bf16*, const uint8_t*, bf16*);

}  // namespace saccade
