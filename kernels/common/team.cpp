#include "kernels/common/team.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <system_error>
#include <thread>
#include <utility>

#include "kernels/common/error.h"

namespace saccade {

namespace {

// It is long enough for what happens between two regions of a layer, and short enough to leave the processor to others.
constexpr std::chrono::microseconds kSpin(50);

thread_local bool is_inside_region = false;

class InsideRegion {
 public:
  InsideRegion() : before_(is_inside_region) { is_inside_region = true; }
  ~InsideRegion() { is_inside_region = before_; }

 private:
  bool before_;
};

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

void futex(std::atomic<uint32_t>& word, int operation, uint32_t value) {
  static_assert(sizeof word == sizeof(uint32_t));
  syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

int processors_of_process() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

}  // namespace

int usable_processors() {
  static const int processors = processors_of_process();
  return processors;
}

void Signal::raise() {
  // Only one thread at a time raises a signal, so nothing but the bit can change between the two.
  const uint32_t next = value() + 2;
  if (value_.exchange(next, std::memory_order_acq_rel) & kSleeps) futex(value_, FUTEX_WAKE_PRIVATE, INT_MAX);
}

// The system sleeps only while the word is `expected`. std::atomic's wait would yield the processor a few times first,
// and each yield on a busy machine costs the others' time slices.
void Signal::sleep(uint32_t expected) {
  futex(value_, FUTEX_WAIT_PRIVATE, expected);
}

void Signal::wait(uint32_t seen, bool spins) {
  if (value() != seen) return;
  if (spins) {
    const auto begin = std::chrono::steady_clock::now();
    do {
      for (int i = 0; i < 32; ++i) {
        if (value() != seen) return;
        pause();
      }
    } while (std::chrono::steady_clock::now() - begin < kSpin);
  }
  uint32_t awake = seen;
  value_.compare_exchange_strong(awake, seen | kSleeps, std::memory_order_relaxed);
  while (value() == seen) sleep(seen | kSleeps);
}

void Team::Barrier::wait() {
  const uint32_t seen = open_.value();
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < parts_) {
    open_.wait(seen, spins_);
    return;
  }
  arrived_.store(0, std::memory_order_relaxed);
  open_.raise();
}

Team& Team::of_process() {
  static Team* const team = new Team;
  return *team;
}

bool Team::is_inside() {
  return is_inside_region;
}

bool Team::grow(int threads) {
  if (threads - 1 <= helpers_) return true;
  if (is_inside()) return false;  // the team is held by the region around
  const std::lock_guard lock(held_);
  return grow_held(threads);
}

bool Team::grow_held(int threads) {
  if (threads > kMost) return false;
  try {
    for (int seat = helpers_ + 1; seat < threads; ++seat) {
      std::thread(&Team::help, this, seat).detach();
      ++helpers_;
    }
  } catch (const std::system_error&) {
    return false;
  }
  return true;
}

void Team::run(int threads, int parts, Function function, const void* work) {
  check(parts <= kMostParts, parts, " parts of a region");
  if (!is_inside()) {
    const std::unique_lock lock(held_, std::try_to_lock);
    if (lock) {
      grow_held(threads);
      const int had = std::min(threads, helpers_ + 1);
      compute(had, parts, had, function, work);
      return;
    }
  }
  const InsideRegion inside;
  for (int part = 0; part < parts; ++part) function(work, part);
}

void Team::run_together(int parts, Function function, const void* work) {
  check(!is_inside(), "parts that wait for each other inside a region");
  const std::lock_guard lock(held_);
  check(grow_held(parts), "a team of ", parts, " threads cannot be had");
  compute(parts, parts, 0, function, work);
}

void Team::compute(int threads, int parts, int helpers, Function function, const void* work) {
  ++regions_;
  const bool spins = threads <= usable_processors();
  const uint32_t seen = over_.value();
  function_ = function;
  work_ = work;
  failed_part_ = parts;
  threads_.store(threads, std::memory_order_relaxed);
  spins_.store(spins, std::memory_order_relaxed);
  left_.store(parts, std::memory_order_relaxed);
  for (int t = 0; t < threads; ++t) {
    const int64_t first = static_cast<int64_t>(parts) * t / threads;
    const int64_t last = static_cast<int64_t>(parts) * (t + 1) / threads;
    Share share;
    share.next = static_cast<uint64_t>(first) & 0x1fffffu;
    share.end = static_cast<uint64_t>(last) & 0x1fffffu;
    share.helpers = static_cast<uint64_t>(helpers) & 0x3fffffu;
    seats_[t].share.store(share, std::memory_order_release);
  }
  for (int t = 1; t < threads; ++t) seats_[t].call.raise();
  if (!take_shares(0)) over_.wait(seen, spins);
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void Team::help(int seat) {
  Signal& call = seats_[seat].call;
  for (uint32_t seen = 0;;) {
    call.wait(seen, spins_.load(std::memory_order_relaxed));
    seen = call.value();
    if (take_shares(seat)) over_.raise();
  }
}

// Computes what there is to take; true if that ended the region.
bool Team::take_shares(int seat) {
  const InsideRegion inside;
  int part, computed = 0;
  for (; take_own(seats_[seat], &part); ++computed) compute_part(part);
  if (computed > 0 && finish(computed)) return true;
  const int threads = threads_.load(std::memory_order_relaxed);
  for (int step = 1; step < threads; ++step)
    while (take_from(seats_[(seat + step) % threads], seat, &part)) {
      compute_part(part);
      if (finish(1)) return true;
    }
  return false;
}

bool Team::take_own(Seat& seat, int* part) {
  Share share = seat.share.load(std::memory_order_relaxed);
  while (share.next < share.end) {
    Share rest = share;
    ++rest.next;
    if (seat.share.compare_exchange_weak(share, rest, std::memory_order_acquire, std::memory_order_relaxed)) {
      *part = static_cast<int>(share.next);
      return true;
    }
  }
  return false;
}

bool Team::take_from(Seat& other, int seat, int* part) {
  Share share = other.share.load(std::memory_order_relaxed);
  while (static_cast<uint64_t>(seat) < share.helpers && share.next < share.end) {
    Share rest = share;
    --rest.end;
    if (other.share.compare_exchange_weak(share, rest, std::memory_order_acquire,
                                          std::memory_order_relaxed)) {
      *part = static_cast<int>(rest.end);
      return true;
    }
  }
  return false;
}

void Team::compute_part(int part) {
  try {
    function_(work_, part);
  } catch (...) {
    const std::lock_guard lock(failing_);
    if (part < failed_part_) {
      failed_part_ = part;
      error_ = std::current_exception();
    }
  }
}

// True if no other part is left.
bool Team::finish(int parts) {
  return left_.fetch_sub(parts, std::memory_order_acq_rel) == parts;
}

}  // namespace saccade
