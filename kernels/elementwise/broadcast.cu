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
template <class T>
void Broadcast<kGpu>::add(Context& context, const BroadcastShape& s, const T* x, const T* b, T* y) {
  map_broadcast(context, s, x, b, y, Sum2());
}
template void Broadcast<kGpu>::add(Context&, const BroadcastShape&, const float*, const float*, float*);
template void Broadcast<kGpu>::add(Context&, const BroadcastShape&, const bf16*, const bf16*, bf16*);

template <>
template <class T>
void Broadcast<kGpu>::multiply(Context& context, const BroadcastShape& s, const T* x, const T* b, T* y) {
  map_broadcast(context, s, x, b, y, Product());
}
template void Broadcast<kGpu>::multiply(Context&, const BroadcastShape&, const float*, const float*, float*);
template void Broadcast<kGpu>::multiply(Context&, const BroadcastShape&, const bf16*, const bf16*, bf16*);

}  // namespace saccade
