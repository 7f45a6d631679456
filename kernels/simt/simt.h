// The CUDA language on the host: a .cu file that is compiled for Device::simt sees this instead of
// <cuda_runtime.h>. Each CUDA thread is a fiber, and blocks run one at a time; at a barrier or an exchange of
// its warp, a fiber gives way to the next. See kernels/simt/README.md.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/simt/intrinsics.h"
#include "kernels/simt/vector_types.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __constant__ static
#define __grid_constant__
// One block runs at a time, so one set of shared arrays is enough. They lie side by side, so that they can be
// made new for each block; the memory checker finds them by itself and keeps redzones between them.
#ifdef SACCADE_SIMT_MEMORY
#define __shared__ static
#else
#define __shared__ static __attribute__((section("simt_shared")))
#endif

// The indices of the running thread. constinit: they are read without a check that they are initialized.
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

// Calls `call(body)` once for each thread of each block. Throws Error, which names the launch, block and
// thread, when a kernel breaks a rule: a barrier that a part of the block does not reach, an exchange with a
// lane that is elsewhere, an unaligned vector access.
void run(const Launch& launch, void (*call)(void*), void* body);

template <class Body>
void run(const Launch& launch, Body& body) {
  run(
      launch, [](void* b) { (*static_cast<Body*>(b))(); }, &body);
}

// The line of a barrier: all threads of a block must come to the same one.
struct Place {
  const char* file = nullptr;
  int line = 0;
};

// Waits for all threads of the block; returns how many of them gave a true predicate.
unsigned barrier(bool predicate, Place place);

// The values that the lanes of a warp gave to an exchange; `lanes` has a bit for each lane that took part.
struct Exchanged {
  const uint64_t* values;
  unsigned lanes;
};
Exchanged exchange(unsigned mask, uint64_t value);
void warp_barrier(unsigned mask);  // an exchange that also orders memory
unsigned lane();
unsigned lanes_that_run();  // the lanes of the running thread's warp that have not left the kernel
void* dynamic_shared_memory();

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

inline void __syncthreads(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  saccade::simt::barrier(false, {file, line});
}
inline int __syncthreads_count(int predicate, const char* file = __builtin_FILE(),
                               int line = __builtin_LINE()) {
  return static_cast<int>(saccade::simt::barrier(predicate != 0, {file, line}));
}
inline int __syncthreads_or(int predicate, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  return saccade::simt::barrier(predicate != 0, {file, line}) != 0;
}
inline int __syncthreads_and(int predicate, const char* file = __builtin_FILE(),
                             int line = __builtin_LINE()) {
  return saccade::simt::barrier(predicate == 0, {file, line}) == 0;
}
inline void __syncwarp(unsigned mask = 0xffffffffu) {
  saccade::simt::warp_barrier(mask);
}

// All lanes that have not left: fibers do not run in lockstep, so there is no better answer. Kernels vote
// with __ballot_sync instead.
inline unsigned __activemask() {
  return saccade::simt::lanes_that_run();
}

// Shuffles work in groups of `width` lanes; where the source is outside of the group,
// a lane receives its own value.
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

// The lanes that gave the same value, bit for bit.
template <class T>
unsigned __match_any_sync(unsigned mask, T value) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t word = 0;
  std::memcpy(&word, &value, sizeof value);
  const saccade::simt::Exchanged exchanged = saccade::simt::exchange(mask, word);
  unsigned lanes = 0;
  for (unsigned i = 0; i < 32; ++i)
    if ((exchanged.lanes >> i & 1u) && exchanged.values[i] == word) lanes |= 1u << i;
  return lanes;
}
template <class T>
unsigned __match_all_sync(unsigned mask, T value, int* all) {
  *all = __match_any_sync(mask, value) == (mask & __activemask());
  return *all ? mask & __activemask() : 0;
}

namespace saccade::simt {

template <class T, class Join>
T reduce(unsigned mask, T value, Join join) {
  static_assert(std::is_same_v<T, int> || std::is_same_v<T, unsigned>);
  const Exchanged exchanged = exchange(mask, static_cast<unsigned>(value));
  bool first = true;
  T result = value;
  for (unsigned i = 0; i < 32; ++i) {
    if (!(exchanged.lanes >> i & 1u)) continue;
    const T other = static_cast<T>(static_cast<unsigned>(exchanged.values[i]));
    result = first ? other : join(result, other);
    first = false;
  }
  return result;
}

}  // namespace saccade::simt

template <class T>
T __reduce_add_sync(unsigned mask, T value) {
  return saccade::simt::reduce(mask, value, [](T a, T b) {
    return static_cast<T>(static_cast<unsigned>(a) + static_cast<unsigned>(b));
  });
}
template <class T>
T __reduce_min_sync(unsigned mask, T value) {
  return saccade::simt::reduce(mask, value, [](T a, T b) { return a < b ? a : b; });
}
template <class T>
T __reduce_max_sync(unsigned mask, T value) {
  return saccade::simt::reduce(mask, value, [](T a, T b) { return a < b ? b : a; });
}
inline unsigned __reduce_and_sync(unsigned mask, unsigned value) {
  return saccade::simt::reduce(mask, value, [](unsigned a, unsigned b) { return a & b; });
}
inline unsigned __reduce_or_sync(unsigned mask, unsigned value) {
  return saccade::simt::reduce(mask, value, [](unsigned a, unsigned b) { return a | b; });
}
inline unsigned __reduce_xor_sync(unsigned mask, unsigned value) {
  return saccade::simt::reduce(mask, value, [](unsigned a, unsigned b) { return a ^ b; });
}
[[noreturn]] inline void __trap() {
  saccade::simt::fail("__trap");
}
