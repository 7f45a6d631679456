#include "kernels/pool/global_average_pool.h"

#include <algorithm>

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"

namespace saccade {

template <>
template <class T>
void GlobalAveragePool<Device::cpu>::forward(Context& context, int64_t batch, int64_t positions,
                                             int64_t channels, const T* x, T* y) {
  constexpr int64_t kChannels = 256;  // channels of one task: their partial sums stay in L1
  constexpr int64_t kRun = 32;        // positions that are summed before they join the total: less rounding
  const int64_t blocks = (channels + kChannels - 1) / kChannels;
  const float scale = 1.0f / static_cast<float>(positions);
  const int64_t grain =
      std::max<int64_t>(1, 32768 / std::max<int64_t>(1, positions * std::min(kChannels, channels)));
  parallel_for(context, batch * blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t n = task / blocks, first = task % blocks * kChannels;
      const int64_t count = std::min(kChannels, channels - first);
      const T* from = x + n * positions * channels + first;
      float total[kChannels] = {}, run[kChannels];
      for (int64_t start = 0; start < positions; start += kRun) {
        std::fill(run, run + count, 0.0f);
        for (int64_t p = start; p < std::min(positions, start + kRun); ++p)
          for (int64_t c = 0; c < count; ++c) run[c] += float(from[p * channels + c]);
        for (int64_t c = 0; c < count; ++c) total[c] += run[c];
      }
      T* to = y + n * channels + first;
      for (int64_t c = 0; c < count; ++c) to[c] = total[c] * scale;
    }
  });
}
template void GlobalAveragePool<Device::cpu>::forward(Context&, int64_t, int64_t, int64_t, const float*,
                                                      float*);
template void GlobalAveragePool<Device::cpu>::forward(Context&, int64_t, int64_t, int64_t, const bf16*,
                                                      bf16*);

template <>
template <class T>
void GlobalAveragePool<Device::cpu>::backward(Context& context, int64_t batch, int64_t positions,
                                              int64_t channels, const T* grad_y, T* grad_x) {
  const float scale = 1.0f / static_cast<float>(positions);
  const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, channels));
  parallel_for(context, batch * positions, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T* from = grad_y + row / positions * channels;
      T* to = grad_x + row * channels;
      for (int64_t c = 0; c < channels; ++c) to[c] = scale * float(from[c]);
    }
  });
}
template void GlobalAveragePool<Device::cpu>::backward(Context&, int64_t, int64_t, int64_t, const float*,
                                                       float*);
template void GlobalAveragePool<Device::cpu>::backward(Context&, int64_t, int64_t, int64_t, const bf16*,
                                                       bf16*);

}  // namespace saccade
