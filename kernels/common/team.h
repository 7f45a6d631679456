// The threads that compute: one team for the whole process, which every parallel_for and oneDNN share.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>

namespace saccade {

// The processors that this process may use, as they were when it first asked.
int usable_processors();

// A number that one thread raises and others wait for.
class Signal {
 public:
  // What a thread must have seen before it may wait for the next one.
  uint32_t value() const { return value_.load(std::memory_order_acquire) & ~kSleeps; }
  void raise();
  // Returns once the value is no longer `seen`. A thread that spins looks for a short while before it goes to sleep:
  // the next piece of work mostly comes sooner than the system could wake it.
  void wait(uint32_t seen, bool spins);

 private:
  void sleep(uint32_t expected);

  static constexpr uint32_t kSleeps = 1;  // the bit that tells raise() to wake somebody
  std::atomic<uint32_t> value_{0};
};

// A region is a piece of work cut into parts, numbered from 0. Each thread has a share of neighbouring parts and takes
// them in order; one that is done takes parts from the ends of the others' shares. So a thread that the system stops
// for a while holds up one part, and not its whole share. Which thread computes a part is a matter of timing: what a
// part computes must not depend on it.
//
// The calling thread is the first of the region's threads, and the others stay from one region to the next.
class Team {
 public:
  static constexpr int kMost = 1024;          // threads
  static constexpr int kMostParts = 1 << 20;  // of a region

  // It is never destroyed: its threads may still look at it while the process ends.
  static Team& of_process();

  // Sees to it that a region can have so many threads; false where the system does not give them. Those that it could
  // start stay.
  bool grow(int threads);

  // Calls work(part) for each part on at most `threads` threads: on the caller's alone inside a region, and while
  // another thread's region has the team. What the parts throw is thrown here, after the region; of several exceptions
  // it is the one of the lowest part, whatever the timing.
  template <class Work>
  void run(int threads, int parts, const Work& work) {
    run(threads, parts, &call<Work>, &work);
  }

  // Calls work(part) with every part on a thread of its own, so that parts may wait for each other at a Barrier; one
  // that throws before it comes there would leave the others waiting. It waits for another thread's region to end, and
  // throws Error inside a region and where so many threads cannot be had.
  template <class Work>
  void run_together(int parts, const Work& work) {
    run_together(parts, &call<Work>, &work);
  }

  // Where the parts of a run_together wait until all have come.
  class Barrier {
   public:
    explicit Barrier(int parts) : parts_(parts), spins_(parts <= usable_processors()) {}
    void wait();

   private:
    const int parts_;
    const bool spins_;
    std::atomic<int> arrived_{0};
    Signal open_;
  };

  // Whether the calling thread computes a part of a region.
  static bool is_inside();

  // The regions that this team has computed, for tests.
  int64_t regions() const { return regions_; }

 private:
  using Function = void (*)(const void* work, int part);

  template <class Work>
  static void call(const void* work, int part) {
    (*static_cast<const Work*>(work))(part);
  }

  // The parts [next, end) of a thread, in one word, so that one exchange takes a part. Beside their thread itself those
  // in the seats below `helpers` may take them. A helper that comes late from a larger region has a seat above them.
  struct alignas(8) Share {
    uint64_t next : 21 = 0;
    uint64_t end : 21 = 0;
    uint64_t helpers : 22 = 0;
  };

  // 128: processors fetch lines of 64 bytes in pairs, and threads that write to one pair wait for each other.
  struct alignas(128) Seat {
    std::atomic<Share> share;
    Signal call;
  };

  void run(int threads, int parts, Function function, const void* work);
  void run_together(int parts, Function function, const void* work);
  bool grow_held(int threads);
  // The parts of a share may be taken by the threads in the seats below `helpers`.
  void compute(int threads, int parts, int helpers, Function function, const void* work);
  void help(int seat);
  bool take_shares(int seat);
  static bool take_own(Seat& seat, int* part);
  static bool take_from(Seat& other, int seat, int* part);
  void compute_part(int part);
  bool finish(int parts);

  alignas(128) std::mutex held_;  // by the region that has the team
  std::atomic<int64_t> regions_{0};
  std::atomic<int> helpers_{0};

  // What the region is. A thread reads `function_` and `work_` only once it has a part: from then on the region cannot
  // end, and before that it may already be another one.
  alignas(128) Function function_ = nullptr;
  const void* work_ = nullptr;
  std::atomic<int> threads_{0};
  std::atomic<bool> spins_{false};

  alignas(128) std::atomic<int> left_{0};  // parts that are not computed yet
  alignas(128) Signal over_;               // raised by the helper that computed the last one

  alignas(128) std::mutex failing_;
  int failed_part_ = 0;  // the lowest
  std::exception_ptr error_;

  Seat seats_[kMost];  // the first is the caller's
};

}  // namespace saccade
