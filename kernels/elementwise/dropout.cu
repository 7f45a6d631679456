#include "kernels/elementwise/dropout.h"

#include "kernels/common/launch.h"
#include "kernels/common/philox.h"
#include "kernels/common/vector.h"

namespace saccade {

namespace {

constexpr unsigned kThreads = 256;

// A thread takes one vector of 16 bytes: it draws whole blocks of four words, so that each is drawn once.
template <class T>
__global__ void __launch_bounds__(kThreads)
    dropout(int64_t count, float p, float scale, const int64_t* __restrict__ state, uint32_t stream,
            bool vectorized, const T* x, T* y) {  // y may be x
  constexpr int V = kVector<T, true>;
  const int64_t first = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * V;
  if (first >= count) return;
  const bool whole = vectorized && first + V <= count;
  Pack<T, V> in = {};
  if (whole) {
    in = load<V * sizeof(T), Use::once>(x + first);
  } else {
#pragma unroll
    for (int i = 0; i < V; ++i)
      if (first + i < count) in.lane[i] = x[first + i];
  }
  const RandomState random{static_cast<uint64_t>(state[0]), static_cast<uint64_t>(state[1])};
  Pack<float, V> out;
#pragma unroll
  for (int block = 0; block < V / 4; ++block) {
    const PhiloxWords words = random_words(random, stream, static_cast<uint64_t>(first / 4 + block));
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const float value = static_cast<float>(in.lane[4 * block + k]);
      out.lane[4 * block + k] = uniform_from(words.word[k]) >= p ? value * scale : 0.0f;
    }
  }
  const Pack<T, V> kept = from_f32<T>(out);
  if (whole) {
    store<V * sizeof(T)>(y + first, kept);
  } else {
#pragma unroll
    for (int i = 0; i < V; ++i)
      if (first + i < count) y[first + i] = kept.lane[i];
  }
}

}  // namespace

template <>
template <class T>
void Dropout<kGpu>::apply(Context& context, int64_t count, double p, const int64_t* state, uint32_t stream,
                          const T* x, T* y) {
  check_element<T>(context);
  launch(dropout<T>, blocks_for(count, static_cast<int64_t>(kThreads) * kVector<T, true>), kThreads, 0,
         context.stream(), count, p, 1 / (1 - p), state, stream, aligned(x, 16) && aligned(y, 16), x, y);
}
template void Dropout<kGpu>::apply(Context&, int64_t, double, const int64_t*, uint32_t, const float*, float*);
template void Dropout<kGpu>::apply(Context&, int64_t, double, const int64_t*, uint32_t, const bf16*, bf16*);

}  // namespace saccade
