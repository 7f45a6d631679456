// Vectors in kernels: load<16>(p) and store<16>(p, v) move 16 bytes in one instruction, load<sizeof(T)>(p)
// moves one element. p must be aligned to as many bytes. A vector is what one access of a thread moves (a
// Pack of V elements); a kernel is "vectorized" where V > 1.
#pragma once

#include "kernels/common/launch.h"

namespace saccade {
inline namespace SACCADE_TARGET {

template <class T, int V>
struct alignas(sizeof(T) * V) Pack {
  T lane[V];
};

// How often the data is needed: `once` tells the caches not to keep it.
enum class Use { again, once };

// The elements of T that one access moves: those of 16 bytes if `vectorized`, else one.
template <class T, bool vectorized>
constexpr int kVector = vectorized ? 16 / static_cast<int>(sizeof(T)) : 1;

// Whether rows of `length` elements of T that begin at these pointers are made of 16-byte vectors. A null
// pointer counts as aligned.
template <class T, class... Pointers>
bool fits_vectors(int64_t length, Pointers... pointers) {
  return length % kVector<T, true> == 0 && (aligned(pointers, 16) && ...);
}

namespace vector_detail {
template <int Bytes>
struct Word;
template <>
struct Word<16> {
  using type = uint4;
};
template <>
struct Word<8> {
  using type = uint2;
};
template <>
struct Word<4> {
  using type = unsigned int;
};
template <>
struct Word<2> {
  using type = unsigned short;
};
template <>
struct Word<1> {
  using type = unsigned char;
};
}  // namespace vector_detail

template <int Bytes, Use use = Use::again, class T>
__device__ __forceinline__ Pack<T, Bytes / sizeof(T)> load(const T* p) {
  using Word = typename vector_detail::Word<Bytes>::type;
  const Word* address = reinterpret_cast<const Word*>(p);
#ifdef SACCADE_SIMT_TARGET
  const Word word = use == Use::once ? __ldcs(address) : simt::hinted_load(address);
#else
  const Word word = use == Use::once ? __ldcs(address) : *address;
#endif
  Pack<T, Bytes / sizeof(T)> pack;
  memcpy(&pack, &word, Bytes);
  return pack;
}

namespace vector_detail {
template <int Bytes, class T>
__device__ __forceinline__ typename Word<Bytes>::type word_of(const Pack<T, Bytes / sizeof(T)>& pack) {
  typename Word<Bytes>::type word;
  memcpy(&word, &pack, Bytes);
  return word;
}
}  // namespace vector_detail

// Stores to global memory. The cache hints keep 8 and 16 bytes one instruction:
// nvcc splits a mere assignment of a uint4 whose words come from different places
// (a column of a tile), and does not always join the parts again.
template <int Bytes, Use use = Use::again, class T>
__device__ __forceinline__ void store(T* p, const Pack<T, Bytes / sizeof(T)>& pack) {
  using Word = typename vector_detail::Word<Bytes>::type;
  if constexpr (use == Use::once)
    __stcs(reinterpret_cast<Word*>(p), vector_detail::word_of<Bytes>(pack));
  else
    __stwb(reinterpret_cast<Word*>(p), vector_detail::word_of<Bytes>(pack));
}

// Stores to shared memory, which takes no cache hints.
template <int Bytes, class T>
__device__ __forceinline__ void store_shared(T* p, const Pack<T, Bytes / sizeof(T)>& pack) {
  using Word = typename vector_detail::Word<Bytes>::type;
#ifdef SACCADE_SIMT_TARGET
  simt::hinted_store(reinterpret_cast<Word*>(p), vector_detail::word_of<Bytes>(pack));
#else
  *reinterpret_cast<Word*>(p) = vector_detail::word_of<Bytes>(pack);
#endif
}

// Moves V words of 4 bytes that lie side by side, in accesses of up to 16 bytes:
// the f32 values of a vector of bf16 take more than one access. Moved word by word,
// the lanes of a warp would lie V banks, or sectors, apart.
template <int V, class S>
__device__ __forceinline__ Pack<S, V> load_lanes(const S* from) {
  constexpr int kStep = V < kVector<S, true> ? V : kVector<S, true>;
  Pack<S, V> value;
#pragma unroll
  for (int i = 0; i < V; i += kStep) {
    const Pack<S, kStep> part = load<kStep * sizeof(S)>(from + i);
#pragma unroll
    for (int j = 0; j < kStep; ++j) value.lane[i + j] = part.lane[j];
  }
  return value;
}
template <class S, int V>
__device__ __forceinline__ void store_lanes_shared(S* to, const Pack<S, V>& value) {
  constexpr int kStep = V < kVector<S, true> ? V : kVector<S, true>;
#pragma unroll
  for (int i = 0; i < V; i += kStep) {
    Pack<S, kStep> part;
#pragma unroll
    for (int j = 0; j < kStep; ++j) part.lane[j] = value.lane[i + j];
    store_shared<kStep * sizeof(S)>(to + i, part);
  }
}

// Kernels compute in f32 whatever type they store: to_f32() after a load, from_f32() before a store.
template <class T, int V>
__device__ __forceinline__ Pack<float, V> to_f32(const Pack<T, V>& pack) {
  Pack<float, V> out;
#pragma unroll
  for (int i = 0; i < V; ++i) out.lane[i] = static_cast<float>(pack.lane[i]);
  return out;
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
__device__ __forceinline__ unsigned int bf16_pair(float low, float high) {
  unsigned int pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}
#endif

template <class T, int V>
__device__ __forceinline__ Pack<T, V> from_f32(const Pack<float, V>& pack) {
  Pack<T, V> out;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  constexpr int kPaired = std::is_same_v<T, bf16> ? V / 2 * 2 : 0;  // two conversions in one instruction
#else
  constexpr int kPaired = 0;
#endif
  if constexpr (kPaired > 0) {
#pragma unroll
    for (int i = 0; i < kPaired; i += 2) {
      const unsigned int pair = bf16_pair(pack.lane[i], pack.lane[i + 1]);
      memcpy(&out.lane[i], &pair, sizeof pair);
    }
  }
  if constexpr (kPaired < V) {
#pragma unroll
    for (int i = kPaired; i < V; ++i) out.lane[i] = static_cast<T>(pack.lane[i]);
  }
  return out;
}

}  // namespace SACCADE_TARGET
}  // namespace saccade
