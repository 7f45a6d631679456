#include "kernels/elementwise/broadcast.h"

#include "kernels/common/bf16.h"
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

template <class T, class Join>
void broadcast(Context& context, const BroadcastShape& s, const T* x, const T* b, T* y, Join join) {
  for_stretches(context, s, [&](int64_t begin, int64_t length, int64_t at) {
    const T *in = x + begin, *other = b + at;
    T* out = y + begin;
    if (s.inner == 1) {
      const float value = float(*other);
      for (int64_t i = 0; i < length; ++i) out[i] = join(float(in[i]), value);
    } else {
      for (int64_t i = 0; i < length; ++i) out[i] = join(float(in[i]), float(other[i]));
    }
  });
}
}  // namespace

template <>
template <class T>
void Broadcast<Device::cpu>::add(Context& context, const BroadcastShape& s, const T* x, const T* b, T* y) {
  broadcast(context, s, x, b, y, [](float u, float v) { return u + v; });
}
template void Broadcast<Device::cpu>::add(Context&, const BroadcastShape&, const float*, const float*,
                                          float*);
template void Broadcast<Device::cpu>::add(Context&, const BroadcastShape&, const bf16*, const bf16*, bf16*);

template <>
template <class T>
void Broadcast<Device::cpu>::multiply(Context& context, const BroadcastShape& s, const T* x, const T* b,
                                      T* y) {
  broadcast(context, s, x, b, y, [](float u, float v) { return u * v; });
}
template void Broadcast<Device::cpu>::multiply(Context&, const BroadcastShape&, const float*, const float*,
                                               float*);
template void Broadcast<Device::cpu>::multiply(Context&, const BroadcastShape&, const bf16*, const bf16*,
                                               bf16*);

}  // namespace saccade
