#include "kernels/pool/bin_pool.h"

#include <algorithm>

#include "kernels/common/parallel.h"

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
template <>
void BinPool<Device::cpu>::forward(Context& context, const BinPoolShape& s, const float* features,
                                   const int32_t* corner, float* output) {
  check_corners(s, corner);
  const float scale = 1.0f / static_cast<float>(s.bin_cells());
  for_each_channel_block(context, s, s.bin_cells(), [&](int64_t n, int64_t begin, int64_t end) {
    float* __restrict sum = output + n * s.channels;
    std::fill(sum + begin, sum + end, 0.0f);
    for_each_bin_cell(s, n, corner + 3 * n, [&](int64_t cell) {
      const float* __restrict x = features + cell * s.channels;
      for (int64_t c = begin; c < end; ++c) sum[c] += x[c];
    });
    for (int64_t c = begin; c < end; ++c) sum[c] *= scale;
  });
}

template <>
template <>
void BinPool<Device::cpu>::backward(Context& context, const BinPoolShape& s, const float* grad_output,
                                    const int32_t* corner, bool accumulate, float* grad_features) {
  check_corners(s, corner);
  const float scale = 1.0f / static_cast<float>(s.bin_cells());
  for_each_channel_block(context, s, accumulate ? s.bin_cells() : s.cells(),
                         [&](int64_t n, int64_t begin, int64_t end) {
                           const float* __restrict grad = grad_output + n * s.channels;
                           if (!accumulate)
                             for (int64_t cell = n * s.cells(); cell < (n + 1) * s.cells(); ++cell)
                               std::fill(grad_features + cell * s.channels + begin,
                                         grad_features + cell * s.channels + end, 0.0f);
                           for_each_bin_cell(s, n, corner + 3 * n, [&](int64_t cell) {
                             float* __restrict grad_x = grad_features + cell * s.channels;
                             for (int64_t c = begin; c < end; ++c) grad_x[c] += grad[c] * scale;
                           });
                         });
}

}  // namespace saccade
