#include "kernels/pool/average_pool2d.h"

#include "kernels/common/parallel.h"

namespace saccade {

template <>
template <>
void AveragePool2d<Device::cpu>::forward(Context& context, const Window& w, const float* x, float* y) {
  const int64_t out_rows = w.out_height(), out_columns = w.out_width();
  const float scale = 1.0f / static_cast<float>(w.kernel * w.kernel);
  parallel_for(context, w.batch * out_rows, 4, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t n = row / out_rows, i = row % out_rows;
      const auto rows = w.taps(i, w.height);
      for (int64_t j = 0; j < out_columns; ++j) {
        const auto columns = w.taps(j, w.width);
        const int64_t corner = (n * w.height + i * w.stride - w.padding) * w.width + j * w.stride - w.padding;
        float* to = y + (row * out_columns + j) * w.channels;
        std::fill(to, to + w.channels, 0.0f);
        for (int64_t r = rows.begin; r < rows.end; ++r)
          for (int64_t s = columns.begin; s < columns.end; ++s) {
            const float* from = x + (corner + r * w.width + s) * w.channels;
            for (int64_t c = 0; c < w.channels; ++c) to[c] += from[c];
          }
        for (int64_t c = 0; c < w.channels; ++c) to[c] *= scale;
      }
    }
  });
}

template <>
template <>
void AveragePool2d<Device::cpu>::backward(Context& context, const Window& w, const float* grad_y,
                                          float* grad_x) {
  const int64_t out_rows = w.out_height(), out_columns = w.out_width();
  const float scale = 1.0f / static_cast<float>(w.kernel * w.kernel);
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
            const float* from = grad_y + ((n * out_rows + i) * out_columns + j) * w.channels;
            for (int64_t c = 0; c < w.channels; ++c) to[c] += scale * from[c];
          }
      }
    }
  });
}

}  // namespace saccade
