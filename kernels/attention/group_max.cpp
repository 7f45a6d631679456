#include "kernels/attention/group_max.h"

#include <algorithm>

#include "kernels/common/parallel.h"

namespace saccade {

namespace {
constexpr int64_t kGrain = 1 << 15;  // feature elements worth a thread

int64_t rows_worth_a_thread(int64_t row_elements) {
  return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, row_elements));
}

// Joins one more group into the maximum. It selects instead of branching, so that the loop vectorizes.
void take_greater(int64_t channels, const float* __restrict x, uint8_t group, float* __restrict best,
                  uint8_t* __restrict argmax) {
  for (int64_t c = 0; c < channels; ++c) {
    const bool take = (x[c] > best[c]) | (x[c] != x[c]);
    best[c] = take ? x[c] : best[c];
    argmax[c] = take ? group : argmax[c];
  }
}
}  // namespace

template <>
template <>
void GroupMax<Device::cpu>::forward(Context& context, int64_t images, int64_t pixels, int64_t groups,
                                    int64_t channels, const float* features, const uint8_t* keep,
                                    float* output, uint8_t* argmax) {
  check_sizes(images, pixels, groups, channels);
  const int64_t grain = rows_worth_a_thread(groups * channels);
  parallel_for(context, images * pixels, grain, [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const uint8_t* kept = keep + row / pixels * groups;
      const float* x = features + row * groups * channels;
      float* best = output + row * channels;
      uint8_t* winner = argmax + row * channels;
      const int64_t first = std::find_if(kept, kept + groups, [](uint8_t k) { return k != 0; }) - kept;
      if (first == groups) {
        std::fill(best, best + channels, 0.0f);
        std::fill(winner, winner + channels, kNoGroup);
        continue;
      }
      std::copy(x + first * channels, x + (first + 1) * channels, best);
      std::fill(winner, winner + channels, static_cast<uint8_t>(first));
      for (int64_t g = first + 1; g < groups; ++g)
        if (kept[g]) take_greater(channels, x + g * channels, static_cast<uint8_t>(g), best, winner);
    }
  });
}

template <>
template <>
void GroupMax<Device::cpu>::backward(Context& context, int64_t images, int64_t pixels, int64_t groups,
                                     int64_t channels, const float* grad_output, const uint8_t* argmax,
                                     float* grad_features) {
  check_sizes(images, pixels, groups, channels);
  const int64_t grain = rows_worth_a_thread(groups * channels);
  parallel_for(context, images * pixels, grain, [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* __restrict grad = grad_output + row * channels;
      const uint8_t* __restrict winner = argmax + row * channels;
      for (int64_t g = 0; g < groups; ++g) {
        float* __restrict grad_x = grad_features + (row * groups + g) * channels;
        for (int64_t c = 0; c < channels; ++c) grad_x[c] = winner[c] == g ? grad[c] : 0.0f;
      }
    }
  });
}

}  // namespace saccade
