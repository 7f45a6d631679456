// The CUDA language on the host: what a .cu file sees in place of <cuda_runtime.h> when it is compiled for
// Device::simt. Each CUDA thread is a fiber, each block runs alone; a barrier and a warp's exchange are where
// one fiber gives way to the next. See kernels/simt/README.md.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __shared__ static thread_local  // one block runs at a time in a host thread

struct uint2 {
  unsigned x, y;
};
struct uint3 {
  unsigned x, y, z;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

// Where the running thread stands. constinit: read without a check that it was initialised.
extern constinit thread_local uint3 threadIdx, blockIdx;
extern constinit thread_local dim3 blockDim, gridDim;
constexpr int warpSize = 32;

namespace saccade::simt {

struct Launch {
  dim3 grid, block;
  size_t shared_bytes;
  const char* file;  // of the launch, for errors
  int line;
};

// Runs `call(body)` once for each thread of each block. Throws Error with the launch, block and thread where
// a kernel breaks a rule: a barrier that part of its block does not reach, an exchange with a lane that is
// elsewhere, an unaligned vector access.
void run(const Launch& launch, void (*call)(void*), void* body);

template <class Body>
void run(const Launch& launch, Body& body) {
  run(
      launch, [](void* b) { (*static_cast<Body*>(b))(); }, &body);
}

// What the lanes of a warp gave to an exchange; `lanes` says which took part.
struct Exchanged {
  const uint64_t* values;
  unsigned lanes;
};
Exchanged exchange(unsigned mask, uint64_t value);
unsigned lane();
void* dynamic_shared_memory();
[[noreturn]] void fail(const char* what);

inline void check_aligned(const void* p, size_t bytes) {
  if (reinterpret_cast<uintptr_t>(p) % bytes != 0) [[unlikely]]
    fail("an unaligned vector access");
}

template <class T>
T shuffle(unsigned mask, T value, unsigned source) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(uint64_t));
  uint64_t word = 0;
  std::memcpy(&word, &value, sizeof value);
  const Exchanged exchanged = exchange(mask, word);
  if (!(exchanged.lanes >> source & 1u)) fail("a shuffle reads a lane that takes no part in it");
  std::memcpy(&value, &exchanged.values[source], sizeof value);
  return value;
}

}  // namespace saccade::simt

void __syncthreads();

inline void __syncwarp(unsigned mask = 0xffffffffu) {
  saccade::simt::exchange(mask, 0);
}

// Lanes are grouped by `width`; a source outside the own group is the own lane.
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  const unsigned group = saccade::simt::lane() & ~static_cast<unsigned>(width - 1);
  return saccade::simt::shuffle(mask, value, group + static_cast<unsigned>(source & (width - 1)));
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
  const unsigned lane = saccade::simt::lane(), source = lane ^ static_cast<unsigned>(lanes);
  const bool same_group = source / static_cast<unsigned>(width) <= lane / static_cast<unsigned>(width);
  return saccade::simt::shuffle(mask, value, same_group ? source : lane);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const unsigned lane = saccade::simt::lane(), w = static_cast<unsigned>(width);
  return saccade::simt::shuffle(mask, value, lane % w + delta < w ? lane + delta : lane);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const unsigned lane = saccade::simt::lane();
  return saccade::simt::shuffle(mask, value,
                                lane % static_cast<unsigned>(width) >= delta ? lane - delta : lane);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  const saccade::simt::Exchanged exchanged = saccade::simt::exchange(mask, predicate != 0);
  unsigned lanes = 0;
  for (unsigned i = 0; i < 32; ++i)
    if (exchanged.lanes >> i & 1u) lanes |= static_cast<unsigned>(exchanged.values[i]) << i;
  return lanes;
}
inline int __any_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, predicate) != 0;
}
inline int __all_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, !predicate) == 0;
}

template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}
template <class T>
void __stcs(T* p, T value) {
  *p = value;
}

inline int __ffs(int word) {
  return __builtin_ffs(word);
}
inline int __popc(unsigned word) {
  return __builtin_popcount(word);
}
inline int __clz(int word) {
  return word == 0 ? 32 : __builtin_clz(static_cast<unsigned>(word));
}
inline unsigned __float_as_uint(float value) {
  unsigned word;
  std::memcpy(&word, &value, sizeof word);
  return word;
}
inline float __uint_as_float(unsigned word) {
  float value;
  std::memcpy(&value, &word, sizeof value);
  return value;
}
inline float __expf(float x) {
  return expf(x);
}
inline float __fdividef(float x, float y) {
  return x / y;
}
inline float rsqrtf(float x) {
  return 1.0f / sqrtf(x);
}
