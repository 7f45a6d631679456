#include "kernels/elementwise/dropout.h"

#include "kernels/common/parallel.h"
#include "kernels/common/philox.h"

namespace saccade {

template <>
template <>
void Dropout<Device::cpu>::apply(Context& context, int64_t count, double p, const int64_t* state,
                                 uint32_t stream, const float* x, float* y) {
  const RandomState random{static_cast<uint64_t>(state[0]), static_cast<uint64_t>(state[1])};
  const float threshold = static_cast<float>(p), scale = static_cast<float>(1 / (1 - p));
  // A task takes whole blocks of four words, so that each is drawn once.
  parallel_for(context, (count + 3) / 4, 2048, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const PhiloxWords words = random_words(random, stream, static_cast<uint64_t>(block));
      const int64_t first = block * 4, used = std::min<int64_t>(4, count - first);
      for (int64_t k = 0; k < used; ++k)
        y[first + k] = uniform_from(words.word[k]) >= threshold ? x[first + k] * scale : 0.0f;
    }
  });
}

}  // namespace saccade
