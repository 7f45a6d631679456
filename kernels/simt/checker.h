// What the executor tells the sanitizers about fibers, blocks and barriers, and what they found. The executor
// is built without a checker, for races (SACCADE_SIMT_RACE: the kernels under ThreadSanitizer), for memory
// (SACCADE_SIMT_MEMORY: under AddressSanitizer) and for traffic (SACCADE_SIMT_TRAFFIC). A call that a build
// does not need is empty there. The files of kernels/simt/ are not instrumented themselves: the scheduler's
// own state would look like a race.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#ifdef SACCADE_SIMT_RACE
#include <sanitizer/tsan_interface.h>
#endif
#ifdef SACCADE_SIMT_MEMORY
#include <sanitizer/common_interface_defs.h>
#endif

namespace saccade::simt {

// The seed of the order in which blocks and threads take their turns; 0 is the order of their numbers. The
// environment variable SACCADE_SIMT_SEED sets it, too; the default is 1.
void set_seed(uint64_t seed);
uint64_t seed();

// What this build of the device looks for: "race", "memory", "traffic", or "" where it only runs kernels.
const char* checker_name();

// The findings since the last call, one text each: the sanitizer's report with the lines of the kernel.
std::vector<std::string> take_findings();

// In the memory checker each buffer of the device is an allocation of its own,
// exactly as large as asked for, and poisoned.
#ifdef SACCADE_SIMT_MEMORY
constexpr bool kSeparateBuffers = true;
#else
constexpr bool kSeparateBuffers = false;
#endif

#ifdef SACCADE_SIMT_TRAFFIC
constexpr bool kCountsTraffic = true;
#else
constexpr bool kCountsTraffic = false;
#endif

// The number of blocks in a row that have threads of their own, unordered with each other.
// For ThreadSanitizer all that one fiber does is ordered, and a new fiber for each block
// would cost more than the block.
#ifdef SACCADE_SIMT_RACE
constexpr unsigned kSetsOfThreads = 3;
#else
constexpr unsigned kSetsOfThreads = 1;
#endif

// The number of threads of a block that ThreadSanitizer tells apart. It has 255 places for running threads,
// and reports nothing about a thread that has lost its place: the threads of three blocks have to fit. In a
// block, threads that are 80 apart are one thread to it: a race between just these two stays hidden, any
// other shows. It is 80 because kernels pair threads that are a power of two apart.
constexpr unsigned kToldApart = 80;

// Sanitizers enlarge the stack frames of a kernel.
#if defined(SACCADE_SIMT_RACE) || defined(SACCADE_SIMT_MEMORY)
constexpr size_t kStackBytes = size_t{256} << 10;
#else
constexpr size_t kStackBytes = size_t{64} << 10;
#endif

constexpr size_t kMostShared = size_t{227} << 10;  // dynamic shared memory of a block, on the newest devices

// Fresh memory that holds no number: NaN in every format, -1 in whole numbers.
constexpr unsigned char kPoison = 0xFF;

namespace checker {

// Makes the block's shared memory new: poisoned, and touched by no thread. `bytes` of `dynamic` are in use.
void fresh_shared_memory(void* dynamic, size_t bytes);

// --- One CUDA thread as the sanitizer sees it ---
struct Fiber {
#ifdef SACCADE_SIMT_RACE
  void* tsan = nullptr;
  bool owned = true;
#endif
  const void* stack_bottom = nullptr;
  size_t stack_bytes = 0;
#ifdef SACCADE_SIMT_MEMORY
  void* fake_stack = nullptr;
#endif
};

#ifdef SACCADE_SIMT_RACE
inline void create(Fiber& fiber) {
  fiber.tsan = __tsan_create_fiber(0);
}
inline void share(Fiber& fiber, const Fiber& with) {
  fiber.tsan = with.tsan;
  fiber.owned = false;
}
inline void destroy(Fiber& fiber) {
  if (fiber.owned) __tsan_destroy_fiber(fiber.tsan);
}
inline void* current() {
  return __tsan_get_current_fiber();
}
// Without the flag a switch would order everything before it with everything after it, and hide every race.
inline void become(void* fiber) {
  __tsan_switch_to_fiber(fiber, __tsan_switch_to_fiber_no_sync);
}
inline void become(Fiber& fiber) {
  become(fiber.tsan);
}
inline void release(void* object) {
  __tsan_release(object);
}
inline void acquire(void* object) {
  __tsan_acquire(object);
}
#else
inline void create(Fiber&) {}
inline void share(Fiber&, const Fiber&) {}
inline void destroy(Fiber&) {}
inline void* current() {
  return nullptr;
}
inline void become(void*) {}
inline void become(Fiber&) {}
inline void release(void*) {}
inline void acquire(void*) {}
#endif

// A switch of stacks calls `leave` before it and `arrive` after it, on the other stack.
#ifdef SACCADE_SIMT_MEMORY
inline void leave(Fiber& from, const Fiber& to) {
  __sanitizer_start_switch_fiber(&from.fake_stack, to.stack_bottom, to.stack_bytes);
}
inline void leave_for_good(const Fiber& to) {
  __sanitizer_start_switch_fiber(nullptr, to.stack_bottom, to.stack_bytes);
}
inline void arrive(Fiber& here, Fiber& from) {
  __sanitizer_finish_switch_fiber(here.fake_stack, &from.stack_bottom, &from.stack_bytes);
}
#else
inline void leave(Fiber&, const Fiber&) {}
inline void leave_for_good(const Fiber&) {}
inline void arrive(Fiber&, Fiber&) {}
#endif

}  // namespace checker
}  // namespace saccade::simt
