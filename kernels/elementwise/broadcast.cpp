#include "kernels/elementwise/broadcast.h"

#include "kernels/common/parallel.h"

namespace saccade {

namespace {
// Calls part(begin, length, b) for stretches of x that share one b (inner = 1) or walk along b.
template <class Part>
void for_stretches(Context& context, const BroadcastShape& s, Part part) {
  const int64_t stretch = s.inner == 1 ? s.repeated : s.inner;
  parallel_for(context, s.count(), 32768, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t row = begin / stretch, column = begin % stretch,
                    length = std::min(stretch - column, end - begin);
      part(begin, length, s.inner == 1 ? row : row / s.repeated * s.inner + column);
      begin += length;
    }
  });
}

template <class Join>
void broadcast(Context& context, const BroadcastShape& s, const float* x, const float* b, float* y,
               Join join) {
  for_stretches(context, s, [&](int64_t begin, int64_t length, int64_t at) {
    const float *in = x + begin, *other = b + at;
    float* out = y + begin;
    if (s.inner == 1) {
      const float value = *other;
      for (int64_t i = 0; i < length; ++i) out[i] = join(in[i], value);
    } else {
      for (int64_t i = 0; i < length; ++i) out[i] = join(in[i], other[i]);
    }
  });
}
}  // namespace

template <>
template <>
void Broadcast<Device::cpu>::add(Context& context, const BroadcastShape& s, const float* x, const float* b,
                                 float* y) {
  broadcast(context, s, x, b, y, [](float u, float v) { return u + v; });
}

template <>
template <>
void Broadcast<Device::cpu>::multiply(Context& context, const BroadcastShape& s, const float* x,
                                      const float* b, float* y) {
  broadcast(context, s, x, b, y, [](float u, float v) { return u * v; });
}

}  // namespace saccade
