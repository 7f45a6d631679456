#include "kernels/pool/bin_pool.h"

#include <algorithm>

#include "kernels/common/parallel.h"
#include "kernels/common/sum_in_f32.h"

namespace saccade {

namespace {
constexpr int64_t kChannelBlock = 512;  // channels of one task: their sums stay in the first-level cache

// Calls body(sample, first channel, end channel) in parallel over samples and blocks of channels.
template <class Body>
void for_each_channel_block(Context& context, const BinPoolShape& s, int64_t cells, Body body) {
  const int64_t blocks = (s.channels + kChannelBlock - 1) / kChannelBlock;
  const int64_t grain = std::max<int64_t>(1, (1 << 15) / (cells * kChannelBlock));
  parallel_for(context, s.batch * blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t c = task % blocks * kChannelBlock;
      body(task / blocks, c, std::min(c + kChannelBlock, s.channels));
    }
  });
}

void check_corners(const BinPoolShape& s, const int32_t* corner) {
  s.check_sizes();
  for (int64_t n = 0; n < s.batch; ++n) s.check_corner(n, corner + 3 * n);
}

// Calls body(cell) for each cell of sample n's bin; `cell` counts from the first cell of the batch.
template <class Body>
void for_each_bin_cell(const BinPoolShape& s, int64_t n, const int32_t* first, Body body) {
  for (int64_t t = first[0]; t < first[0] + s.bin_t; ++t)
    for (int64_t h = first[1]; h < first[1] + s.bin_h; ++h) {
      const int64_t row = ((n * s.time + t) * s.height + h) * s.width + first[2];
      for (int64_t w = 0; w < s.bin_w; ++w) body(row + w);
    }
}
}  // namespace

template <>
template <class T>
void BinPool<Device::cpu>::forward(Context& context, const BinPoolShape& s, const T* features,
                                   const int32_t* corner, T* output) {
  check_corners(s, corner);
  const float scale = 1.0f / static_cast<float>(s.bin_cells());
  for_each_channel_block(context, s, s.bin_cells(), [&](int64_t n, int64_t begin, int64_t end) {
    T* to = output + n * s.channels + begin;
    sum_in_f32(end - begin, to, [&](int64_t first, int64_t count, float* __restrict sum) {
      for_each_bin_cell(s, n, corner + 3 * n, [&](int64_t cell) {
        const T* __restrict x = features + cell * s.channels + begin + first;
        for (int64_t c = 0; c < count; ++c) sum[c] += float(x[c]);
      });
      for (int64_t c = 0; c < count; ++c) sum[c] *= scale;
    });
  });
}
template void BinPool<Device::cpu>::forward(Context&, const BinPoolShape&, const float*, const int32_t*,
                                            float*);
template void BinPool<Device::cpu>::forward(Context&, const BinPoolShape&, const bf16*, const int32_t*,
                                            bf16*);

template <>
template <class T>
void BinPool<Device::cpu>::backward(Context& context, const BinPoolShape& s, const T* grad_output,
                                    const int32_t* corner, bool accumulate, T* grad_features) {
  check_corners(s, corner);
  const float scale = 1.0f / static_cast<float>(s.bin_cells());
  for_each_channel_block(context, s, accumulate ? s.bin_cells() : s.cells(),
                         [&](int64_t n, int64_t begin, int64_t end) {
                           const T* __restrict grad = grad_output + n * s.channels;
                           if (!accumulate)
                             for (int64_t cell = n * s.cells(); cell < (n + 1) * s.cells(); ++cell)
                               std::fill(grad_features + cell * s.channels + begin,
                                         grad_features + cell * s.channels + end, T(0));
                           for_each_bin_cell(s, n, corner + 3 * n, [&](int64_t cell) {
                             T* __restrict grad_x = grad_features + cell * s.channels;
                             for (int64_t c = begin; c < end; ++c)
                               grad_x[c] = float(grad_x[c]) + float(grad[c]) * scale;
                           });
                         });
}
template void BinPool<Device::cpu>::backward(Context&, const BinPoolShape&, const float*, const int32_t*,
                                             bool, float*);
template void BinPool<Device::cpu>::backward(Context&, const BinPoolShape&, const bf16*, const int32_t*, bool,
                                             bf16*);

}  // namespace saccade
