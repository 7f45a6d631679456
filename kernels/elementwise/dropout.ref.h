#pragma once

#include "kernels/common/philox.h"
#include "kernels/elementwise/dropout.h"

namespace saccade {

template <>
template <class T>
void Dropout<Device::reference>::apply(Context&, int64_t count, double p, const int64_t* state,
                                       uint32_t stream, const T* x, T* y) {
  const RandomState random{static_cast<uint64_t>(state[0]), static_cast<uint64_t>(state[1])};
  for (int64_t i = 0; i < count; ++i) {
    const PhiloxWords words = random_words(random, stream, static_cast<uint64_t>(i / 4));
    const bool kept = uniform_from(words.word[i % 4]) >= static_cast<float>(p);
    y[i] = kept ? x[i] / T(1 - p) : T(0);
  }
}

}  // namespace saccade
