#include "kernels/elementwise/broadcast.h"

#include "kernels/elementwise/broadcast_map.h"

namespace saccade {

namespace {
struct Sum2 {
  __device__ float operator()(float x, float b) const { return x + b; }
};
struct Product {
  __device__ float operator()(float x, float b) const { return x * b; }
};
}  // namespace

template <>
template <>
void Broadcast<kGpu>::add(Context& context, const BroadcastShape& s, const float* x, const float* b,
                          float* y) {
  map_broadcast(context, s, x, b, y, Sum2());
}
template <>
template <>
void Broadcast<kGpu>::add(Context& context, const BroadcastShape& s, const bf16* x, const bf16* b, bf16* y) {
  map_broadcast(context, s, x, b, y, Sum2());
}

template <>
template <>
void Broadcast<kGpu>::multiply(Context& context, const BroadcastShape& s, const float* x, const float* b,
                               float* y) {
  map_broadcast(context, s, x, b, y, Product());
}
template <>
template <>
void Broadcast<kGpu>::multiply(Context& context, const BroadcastShape& s, const bf16* x, const bf16* b,
                               bf16* y) {
  map_broadcast(context, s, x, b, y, Product());
}

}  // namespace saccade
