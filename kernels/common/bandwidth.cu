#include "kernels/common/bandwidth.h"

#include "kernels/common/launch.h"
#include "kernels/common/vector.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;
constexpr int kInFlight = 4;  // vectors that a thread asks for before it uses the first
constexpr int kWords = 4;     // of 4 bytes in a vector

__global__ void __launch_bounds__(kThreads)
    bandwidth_copy(int64_t vectors, const uint32_t* __restrict__ from, uint32_t* __restrict__ to) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * (kThreads * kInFlight) + threadIdx.x;
  Pack<uint32_t, kWords> held[kInFlight];
#pragma unroll
  for (int u = 0; u < kInFlight; ++u)
    if (first + u * kThreads < vectors) held[u] = load<16, Use::once>(from + (first + u * kThreads) * kWords);
#pragma unroll
  for (int u = 0; u < kInFlight; ++u)
    if (first + u * kThreads < vectors) store<16, Use::once>(to + (first + u * kThreads) * kWords, held[u]);
}

// Each thread writes the exclusive or of what it read: loads that nobody uses would be optimized away.
__global__ void __launch_bounds__(kThreads)
    bandwidth_read(int64_t vectors, const uint32_t* __restrict__ from, uint32_t* __restrict__ seen) {
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  uint32_t bits = 0;
#pragma unroll 4
  for (int64_t v = thread; v < vectors; v += step) {
    const Pack<uint32_t, kWords> word = load<16, Use::once>(from + v * kWords);
    bits ^= word.lane[0] ^ word.lane[1] ^ word.lane[2] ^ word.lane[3];
  }
  seen[thread] = bits;
}

__global__ void __launch_bounds__(kThreads) bandwidth_write(int64_t vectors, uint32_t* __restrict__ to) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * (kThreads * kInFlight) + threadIdx.x;
#pragma unroll
  for (int u = 0; u < kInFlight; ++u)
    if (first + u * kThreads < vectors) store<16, Use::once>(to + (first + u * kThreads) * kWords, {});
}

int64_t vectors_of(int64_t bytes) {
  check(bytes >= 0 && bytes % 16 == 0, "bandwidth: ", bytes, " bytes are not whole vectors of 16");
  return bytes / 16;
}

}  // namespace

template <>
void Bandwidth<kGpu>::copy(Context& context, int64_t bytes, const uint32_t* from, uint32_t* to) {
  const int64_t vectors = vectors_of(bytes);
  launch(bandwidth_copy, blocks_for(vectors, kThreads * kInFlight), kThreads, 0, context.stream(), vectors,
         from, to);
}
template <>
void Bandwidth<kGpu>::read(Context& context, int64_t bytes, const uint32_t* from, uint32_t* seen) {
  launch(bandwidth_read, static_cast<unsigned>(kSeen / kThreads), kThreads, 0, context.stream(),
         vectors_of(bytes), from, seen);
}
template <>
void Bandwidth<kGpu>::write(Context& context, int64_t bytes, uint32_t* to) {
  const int64_t vectors = vectors_of(bytes);
  launch(bandwidth_write, blocks_for(vectors, kThreads * kInFlight), kThreads, 0, context.stream(), vectors,
         to);
}

}  // namespace saccade
