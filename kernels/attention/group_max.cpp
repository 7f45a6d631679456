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
template <class T>
void take_greater(int64_t channels, const T* __restrict x, uint8_t group, T* __restrict best,
                  uint8_t* __restrict argmax) {
  for (int64_t c = 0; c < channels; ++c) {
    const float value = float(x[c]), greatest = float(best[c]);
    const bool take = (value > greatest) | (value != value);
    best[c] = take ? value : greatest;
    argmax[c] = take ? group : argmax[c];
  }
}
}  // namespace

template <>
template <class T>
void GroupMax<Device::cpu>::forward(Context& context, int64_t images, int64_t pixels, int64_t groups,
                                    int64_t channels, const T* features, const uint8_t* keep, T* output,
                                    uint8_t* argmax) {
  check_sizes(images, pixels, groups, channels);
  const int64_t grain = rows_worth_a_thread(groups * channels);
  parallel_for(context, images * pixels, grain, [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const uint8_t* kept = keep + row / pixels * groups;
      const T* x = features + row * groups * channels;
      T* best = output + row * channels;
      uint8_t* winner = argmax + row * channels;
      const int64_t first = std::find_if(kept, kept + groups, [](uint8_t k) { return k != 0; }) - kept;
      if (first == groups) {
        std::fill(best, best + channels, T(0));
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
template void GroupMax<Device::cpu>::forward(Context&, int64_t, int64_t, int64_t, int64_t, const float*,
                                             const uint8_t*, float*, uint8_t*);
template void GroupMax<Device::cpu>::forward(Context&, int64_t, int64_t, int64_t, int64_t, const bf16*,
                                             const uint8_t*, bf16*, uint8_t*);

template <>
template <class T>
void GroupMax<Device::cpu>::backward(Context& context, int64_t images, int64_t pixels, int64_t groups,
                                     int64_t channels, const T* grad_output, const uint8_t* argmax,
                                     T* grad_features) {
  check_sizes(images, pixels, groups, channels);
  const int64_t grain = rows_worth_a_thread(groups * channels);
  parallel_for(context, images * pixels, grain, [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T* __restrict grad = grad_output + row * channels;
      const uint8_t* __restrict winner = argmax + row * channels;
      for (int64_t g = 0; g < groups; ++g) {
        T* __restrict grad_x = grad_features + (row * groups + g) * channels;
        for (int64_t c = 0; c < channels; ++c) {
          const float value = float(grad[c]);  // read always: a conditional load would become a branch
          grad_x[c] = winner[c] == g ? value : 0.0f;
        }
      }
    }
  });
}
template void GroupMax<Device::cpu>::backward(Context&, int64_t, int64_t, int64_t, int64_t, const float*,
                                              const uint8_t*, float*);
template void GroupMax<Device::cpu>::backward(Context&, int64_t, int64_t, int64_t, int64_t, const bf16*,
                                              const uint8_t*, bf16*);

}  // namespace saccade
