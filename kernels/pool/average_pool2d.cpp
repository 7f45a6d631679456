#include "kernels/pool/average_pool2d.h"

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"
#include "kernels/common/sum_in_f32.h"

namespace saccade {

template <>
template <class T>
void AveragePool2d<Device::cpu>::forward(Context& context, const Window& w, const T* x, T* y) {
  const int64_t out_rows = w.out_height(), out_columns = w.out_width();
  const float scale = 1.0f / static_cast<float>(w.kernel * w.kernel);
  parallel_for(context, w.batch * out_rows, 4, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t n = row / out_rows, i = row % out_rows;
      const auto rows = w.taps(i, w.height);
      for (int64_t j = 0; j < out_columns; ++j) {
        const auto columns = w.taps(j, w.width);
        const int64_t corner = (n * w.height + i * w.stride - w.padding) * w.width + j * w.stride - w.padding;
        T* to = y + (row * out_columns + j) * w.channels;
        sum_in_f32(w.channels, to, [&](int64_t first, int64_t count, float* sum) {
          for (int64_t r = rows.begin; r < rows.end; ++r)
            for (int64_t s = columns.begin; s < columns.end; ++s) {
              const T* from = x + (corner + r * w.width + s) * w.channels + first;
              for (int64_t c = 0; c < count; ++c) sum[c] += float(from[c]);
            }
          for (int64_t c = 0; c < count; ++c) sum[c] *= scale;
        });
      }
    }
  });
}
template void AveragePool2d<Device::cpu>::forward(Context&, const Window&, const float*, float*);
template void AveragePool2d<Device::cpu>::forward(Context&, const Window&, const bf16*, bf16*);

template <>
template <class T>
void AveragePool2d<Device::cpu>::backward(Context& context, const Window& w, const T* grad_y, T* grad_x) {
  const int64_t out_rows = w.out_height(), out_columns = w.out_width();
  const float scale = 1.0f / static_cast<float>(w.kernel * w.kernel);
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
              const T* from = grad_y + ((n * out_rows + i) * out_columns + j) * w.channels + first;
              for (int64_t c = 0; c < count; ++c) sum[c] += scale * float(from[c]);
            }
        });
      }
    }
  });
}
template void AveragePool2d<Device::cpu>::backward(Context&, const Window&, const float*, float*);
template void AveragePool2d<Device::cpu>::backward(Context&, const Window&, const bf16*, bf16*);

}  // namespace saccade
