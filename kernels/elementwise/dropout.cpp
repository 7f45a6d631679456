#include "kernels/elementwise/dropout.h"

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"
#include "kernels/common/philox.h"

namespace saccade {

template <>
template <class T>
void Dropout<Device::cpu>::apply(Context& context, int64_t count, double p, const int64_t* state,
                                 uint32_t stream, const T* x, T* y) {
  const RandomState random{static_cast<uint64_t>(state[0]), static_cast<uint64_t>(state[1])};
  const float threshold = static_cast<float>(p), scale = static_cast<float>(1 / (1 - p));
  // A task takes whole blocks of four words, so that each is drawn once.
  parallel_for(context, (count + 3) / 4, 2048, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const PhiloxWords words = random_words(random, stream, static_cast<uint64_t>(block));
      const int64_t first = block * 4, used = std::min<int64_t>(4, count - first);
      for (int64_t k = 0; k < used; ++k)
        y[first + k] = uniform_from(words.word[k]) >= threshold ? float(x[first + k]) * scale : 0.0f;
    }
  });
}
template void Dropout<Device::cpu>::apply(Context&, int64_t, double, const int64_t*, uint32_t, const float*,
                                          float*);
template void Dropout<Device::cpu>::apply(Context&, int64_t, double, const int64_t*, uint32_t, const bf16*,
                                          bf16*);

}  // namespace saccade
