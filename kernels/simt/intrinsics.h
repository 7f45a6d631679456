// CUDA's functions of one thread: bits, fast mathematics, cache hints, atomics. Fast mathematics is exact
// here: whether a kernel tolerates the error of __expf can only be tested on a GPU.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace saccade::simt {

void fence();
bool fenced(const void* address);  // for an atomic: whether this thread has passed a fence
[[noreturn]] void fail(const char* what);

inline void check_aligned(const void* p, size_t bytes) {
  if (reinterpret_cast<uintptr_t>(p) % bytes != 0) [[unlikely]]
    fail("an unaligned vector access");
}

// Cache hints are for global memory alone; on a GPU a hinted access to shared memory reaches a wrong address.
// (In the memory checker the shared arrays do not lie together, so it cannot check this.)
#ifdef SACCADE_SIMT_MEMORY
inline void check_global(const void*) {}
#else
extern "C" char __start_simt_shared[], __stop_simt_shared[];
inline void check_global(const void* p) {
  if (static_cast<size_t>(static_cast<const char*>(p) - __start_simt_shared) <
      static_cast<size_t>(__stop_simt_shared - __start_simt_shared)) [[unlikely]]
    fail("a hinted access, which is one to global memory, to shared memory");
}
#endif

}  // namespace saccade::simt

// --- Bits ---
inline int __ffs(int word) {
  return __builtin_ffs(word);
}
inline int __ffsll(long long word) {
  return __builtin_ffsll(word);
}
inline int __popc(unsigned word) {
  return __builtin_popcount(word);
}
inline int __popcll(unsigned long long word) {
  return __builtin_popcountll(word);
}
inline int __clz(int word) {
  return std::countl_zero(static_cast<unsigned>(word));
}
inline int __clzll(long long word) {
  return std::countl_zero(static_cast<unsigned long long>(word));
}
inline unsigned long long __brevll(unsigned long long word) {
  unsigned long long out = 0;
  for (int i = 0; i < 64; ++i) out |= (word >> i & 1u) << (63 - i);
  return out;
}
inline unsigned __brev(unsigned word) {
  return static_cast<unsigned>(__brevll(word) >> 32);
}
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const uint64_t bytes = static_cast<uint64_t>(y) << 32 | x;
  unsigned out = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned choice = selector >> (4 * i) & 0xfu;
    unsigned byte = static_cast<unsigned>(bytes >> (8 * (choice & 7u))) & 0xffu;
    if (choice & 8u) byte = byte & 0x80u ? 0xffu : 0;  // the sign of the byte, eight times
    out |= byte << (8 * i);
  }
  return out;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((static_cast<uint64_t>(high) << 32 | low) << (shift & 31u) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((static_cast<uint64_t>(high) << 32 | low) >> (shift & 31u));
}
inline unsigned __float_as_uint(float value) {
  return std::bit_cast<unsigned>(value);
}
inline int __float_as_int(float value) {
  return std::bit_cast<int>(value);
}
inline float __uint_as_float(unsigned word) {
  return std::bit_cast<float>(word);
}
inline float __int_as_float(int word) {
  return std::bit_cast<float>(word);
}
inline long long __double_as_longlong(double value) {
  return std::bit_cast<long long>(value);
}
inline double __longlong_as_double(long long word) {
  return std::bit_cast<double>(word);
}

// --- Whole numbers ---
inline int __mul24(int x, int y) {  // the product of the low 24 bits, signed
  const auto low = [](int v) { return static_cast<int>(static_cast<unsigned>(v) << 8) >> 8; };
  return static_cast<int>(static_cast<int64_t>(low(x)) * low(y));
}
inline unsigned __umul24(unsigned x, unsigned y) {
  return (x & 0xffffffu) * (y & 0xffffffu);
}
inline int __mulhi(int x, int y) {
  return static_cast<int>(static_cast<int64_t>(x) * y >> 32);
}
inline unsigned __umulhi(unsigned x, unsigned y) {
  return static_cast<unsigned>(static_cast<uint64_t>(x) * y >> 32);
}
__extension__ typedef __int128 saccade_int128;  // not an ISO type, which -Wpedantic refuses
__extension__ typedef unsigned __int128 saccade_uint128;
inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
  return static_cast<unsigned long long>(static_cast<saccade_uint128>(x) * y >> 64);
}
inline long long __mul64hi(long long x, long long y) {
  return static_cast<long long>(static_cast<saccade_int128>(x) * y >> 64);
}

// Of a number and a NaN, min and max return the number, like fminf and fmaxf.
template <class A, class B>
requires(std::is_arithmetic_v<A>&& std::is_arithmetic_v<B>) constexpr std::common_type_t<A, B> min(A a, B b) {
  using T = std::common_type_t<A, B>;
  const T x = static_cast<T>(a), y = static_cast<T>(b);
  if constexpr (std::is_floating_point_v<T>)
    if (x != x) return y;
  return y < x ? y : x;
}
template <class A, class B>
requires(std::is_arithmetic_v<A>&& std::is_arithmetic_v<B>) constexpr std::common_type_t<A, B> max(A a, B b) {
  using T = std::common_type_t<A, B>;
  const T x = static_cast<T>(a), y = static_cast<T>(b);
  if constexpr (std::is_floating_point_v<T>)
    if (x != x) return y;
  return x < y ? y : x;
}

// --- Mathematics ---
inline float __expf(float x) {
  return expf(x);
}
inline float __exp10f(float x) {
  return powf(10.0f, x);
}
inline float __logf(float x) {
  return logf(x);
}
inline float __log2f(float x) {
  return log2f(x);
}
inline float __log10f(float x) {
  return log10f(x);
}
inline float __powf(float x, float y) {
  return powf(x, y);
}
inline float __sinf(float x) {
  return sinf(x);
}
inline float __cosf(float x) {
  return cosf(x);
}
inline float __tanf(float x) {
  return tanf(x);
}
inline void __sincosf(float x, float* sine, float* cosine) {
  *sine = sinf(x);
  *cosine = cosf(x);
}
inline void sincospif(float x, float* sine, float* cosine) {
  *sine = static_cast<float>(sin(M_PI * static_cast<double>(x)));
  *cosine = static_cast<float>(cos(M_PI * static_cast<double>(x)));
}
inline float __fdividef(float x, float y) {
  return x / y;
}
inline float rsqrtf(float x) {
  return 1.0f / sqrtf(x);
}
inline double rsqrt(double x) {
  return 1.0 / sqrt(x);
}
inline float __frsqrt_rn(float x) {
  return static_cast<float>(1.0 / sqrt(static_cast<double>(x)));
}
inline float __frcp_rn(float x) {
  return 1.0f / x;
}
inline float __fsqrt_rn(float x) {
  return sqrtf(x);
}
inline float __fadd_rn(float x, float y) {
  return x + y;
}
inline float __fsub_rn(float x, float y) {
  return x - y;
}
inline float __fmul_rn(float x, float y) {
  return x * y;
}
inline float __fdiv_rn(float x, float y) {
  return x / y;
}
inline float __fmaf_rn(float x, float y, float z) {
  return fmaf(x, y, z);
}
inline float __saturatef(float x) {
  return x >= 0 ? (x < 1.0f ? x : 1.0f) : 0.0f;
}  // NaN becomes 0

namespace saccade::simt {

// Conversions saturate, and NaN becomes 0.
template <class Whole>
Whole to_whole(double x) {
  if (x != x) return 0;
  if (x <= static_cast<double>(std::numeric_limits<Whole>::min())) return std::numeric_limits<Whole>::min();
  if (x >= static_cast<double>(std::numeric_limits<Whole>::max())) return std::numeric_limits<Whole>::max();
  return static_cast<Whole>(x);
}

}  // namespace saccade::simt

inline int __float2int_rn(float x) {
  return saccade::simt::to_whole<int>(nearbyint(static_cast<double>(x)));
}
inline int __float2int_rz(float x) {
  return saccade::simt::to_whole<int>(trunc(static_cast<double>(x)));
}
inline int __float2int_rd(float x) {
  return saccade::simt::to_whole<int>(floor(static_cast<double>(x)));
}
inline int __float2int_ru(float x) {
  return saccade::simt::to_whole<int>(ceil(static_cast<double>(x)));
}
inline unsigned __float2uint_rn(float x) {
  return saccade::simt::to_whole<unsigned>(nearbyint(static_cast<double>(x)));
}
inline unsigned __float2uint_rz(float x) {
  return saccade::simt::to_whole<unsigned>(static_cast<double>(x));
}
inline float __int2float_rn(int x) {
  return static_cast<float>(x);
}
inline float __uint2float_rn(unsigned x) {
  return static_cast<float>(x);
}

// --- Loads and stores with a hint for the caches ---
namespace saccade::simt {

// The instrumentation of -fsanitize=thread sees four accesses where a kernel makes one of 16 bytes.
// In such a build, vector accesses are therefore made without instrumentation, and reported as the
// one access that they are.
#ifdef SACCADE_SIMT_REPORTS
extern "C" void __tsan_read16(void*);
extern "C" void __tsan_write16(void*);
extern "C" void __tsan_read8(void*);
extern "C" void __tsan_write8(void*);
template <class T>
__attribute__((noinline, no_sanitize("thread"))) void move_unseen(T* to, const T* from) {
  *to = *from;
}
template <class T>
constexpr bool kReports = sizeof(T) == 16 || (sizeof(T) == 8 && std::is_class_v<T>);
#else
template <class T>
constexpr bool kReports = false;
#endif

template <class T>
__attribute__((always_inline)) inline T hinted_load(const T* p) {
  if constexpr (alignof(T) > 1) check_aligned(p, alignof(T));
#ifdef SACCADE_SIMT_REPORTS
  if constexpr (kReports<T>) {
    void* at = const_cast<T*>(p);
    sizeof(T) == 16 ? __tsan_read16(at) : __tsan_read8(at);
    T value;
    move_unseen(&value, p);
    return value;
  }
#endif
  return *p;
}
template <class T>
__attribute__((always_inline)) inline void hinted_store(T* p, const T& value) {
  if constexpr (alignof(T) > 1) check_aligned(p, alignof(T));
#ifdef SACCADE_SIMT_REPORTS
  if constexpr (kReports<T>) {
    sizeof(T) == 16 ? __tsan_write16(p) : __tsan_write8(p);
    move_unseen(p, &value);
    return;
  }
#endif
  *p = value;
}

}  // namespace saccade::simt

template <class T>
T __ldg(const T* p) {
  saccade::simt::check_global(p);
  return saccade::simt::hinted_load(p);
}
template <class T>
T __ldca(const T* p) {
  saccade::simt::check_global(p);
  return saccade::simt::hinted_load(p);
}
template <class T>
T __ldcg(const T* p) {
  saccade::simt::check_global(p);
  return saccade::simt::hinted_load(p);
}
template <class T>
T __ldcs(const T* p) {
  saccade::simt::check_global(p);
  return saccade::simt::hinted_load(p);
}
template <class T>
T __ldlu(const T* p) {
  saccade::simt::check_global(p);
  return saccade::simt::hinted_load(p);
}
template <class T>
T __ldcv(const T* p) {
  saccade::simt::check_global(p);
  return saccade::simt::hinted_load(p);
}
template <class T>
void __stwb(T* p, std::type_identity_t<T> value) {
  saccade::simt::check_global(p);
  saccade::simt::hinted_store(p, value);
}
template <class T>
void __stcg(T* p, std::type_identity_t<T> value) {
  saccade::simt::check_global(p);
  saccade::simt::hinted_store(p, value);
}
template <class T>
void __stcs(T* p, std::type_identity_t<T> value) {
  saccade::simt::check_global(p);
  saccade::simt::hinted_store(p, value);
}
template <class T>
void __stwt(T* p, std::type_identity_t<T> value) {
  saccade::simt::check_global(p);
  saccade::simt::hinted_store(p, value);
}

// --- Atomics ---
// Each returns the value before. As on a GPU they order no other memory;
// __threadfence does, with the atomics before and after it.
inline void __threadfence() {
  saccade::simt::fence();
}
inline void __threadfence_block() {
  saccade::simt::fence();
}
inline void __threadfence_system() {
  saccade::simt::fence();
}

namespace saccade::simt {

template <class T, class Update>
T atomic_update(T* address, Update update) {
  const bool ordered = fenced(address);
  T old, next;
  __atomic_load(address, &old, __ATOMIC_RELAXED);
  do {
    next = update(old);
  } while (ordered
               ? !__atomic_compare_exchange(address, &old, &next, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
               : !__atomic_compare_exchange(address, &old, &next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return old;
}

}  // namespace saccade::simt

template <class T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  return saccade::simt::atomic_update(address, [value](T old) { return static_cast<T>(old + value); });
}
template <class T>
T atomicSub(T* address, std::type_identity_t<T> value) {
  return saccade::simt::atomic_update(address, [value](T old) { return static_cast<T>(old - value); });
}
template <class T>
T atomicMin(T* address, std::type_identity_t<T> value) {
  return saccade::simt::atomic_update(address, [value](T old) { return value < old ? value : old; });
}
template <class T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  return saccade::simt::atomic_update(address, [value](T old) { return old < value ? value : old; });
}
template <class T>
T atomicAnd(T* address, std::type_identity_t<T> value) {
  return saccade::simt::atomic_update(address, [value](T old) { return old & value; });
}
template <class T>
T atomicOr(T* address, std::type_identity_t<T> value) {
  return saccade::simt::atomic_update(address, [value](T old) { return old | value; });
}
template <class T>
T atomicXor(T* address, std::type_identity_t<T> value) {
  return saccade::simt::atomic_update(address, [value](T old) { return old ^ value; });
}
template <class T>
T atomicExch(T* address, std::type_identity_t<T> value) {
  return saccade::simt::atomic_update(address, [value](T) { return value; });
}
template <class T>
T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return saccade::simt::atomic_update(address, [=](T old) { return old == expected ? value : old; });
}
inline unsigned atomicInc(unsigned* address, unsigned last) {
  return saccade::simt::atomic_update(address, [last](unsigned old) { return old >= last ? 0 : old + 1; });
}
inline unsigned atomicDec(unsigned* address, unsigned last) {
  return saccade::simt::atomic_update(
      address, [last](unsigned old) { return old == 0 || old > last ? last : old - 1; });
}
