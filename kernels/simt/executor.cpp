// The scheduler of Device::simt: blocks one after the other, the threads of a block as fibers in turn.
#include <boost/context/fiber.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <exception>
#include <memory>
#include <vector>

#include "kernels/common/error.h"
#include "kernels/simt/simt.h"

constinit thread_local uint3 threadIdx{}, blockIdx{};
constinit thread_local dim3 blockDim{}, gridDim{};

namespace saccade::simt {

namespace {

namespace context = boost::context;

constexpr unsigned kLanes = 32;
constexpr unsigned kMostThreads = 1024;
constexpr size_t kStackBytes = size_t{64} << 10;

enum class State : uint8_t { ready, at_barrier, at_exchange, done };

struct Thread {
  context::fiber fiber;      // valid while the thread waits
  context::fiber scheduler;  // valid while it runs
  State state = State::done;
  unsigned mask = 0;  // of the exchange that it waits at
  uint64_t given = 0;
  uint64_t received[kLanes] = {};
  unsigned received_lanes = 0;
  Place place;          // of the barrier that it waits at
  bool fenced = false;  // it has passed a __threadfence
};

std::string text(const char* name, uint3 at) {
  return concat(name, " (", at.x, ", ", at.y, ", ", at.z, ")");
}

std::string text(Place place) {
  return concat(place.file, ":", place.line);
}

const char* doing(State state) {
  switch (state) {
    case State::ready:
      return "runs";
    case State::at_barrier:
      return "waits at __syncthreads";
    case State::at_exchange:
      return "waits in a warp exchange";
    case State::done:
      return "has left the kernel";
  }
  return "";
}

class Executor {
 public:
  void run(const Launch& launch, void (*call)(void*), void* body) {
    count_ = launch.block.x * launch.block.y * launch.block.z;
    check(count_ >= 1 && count_ <= kMostThreads, "launch at ", launch.file, ":", launch.line, ": a block of ",
          count_, " threads");
    check(!running_, "launch at ", launch.file, ":", launch.line, ": a kernel starts a kernel");
    launch_ = launch;
    call_ = call;
    body_ = body;
    blockDim = launch.block;
    gridDim = launch.grid;
    shared_.resize(launch.shared_bytes + 16);
    while (threads_.size() < count_) add_thread();
    running_ = true;
    try {
      for (unsigned z = 0; z < launch.grid.z; ++z)
        for (unsigned y = 0; y < launch.grid.y; ++y)
          for (unsigned x = 0; x < launch.grid.x; ++x) run_block({x, y, z});
    } catch (...) {
      threads_.clear();  // unwinds the threads that are still inside the kernel
      failure_ = nullptr;
      running_ = false;
      throw;
    }
    running_ = false;
  }

  // `counted_` is overwritten when all threads have come again, so when all have read it.
  unsigned barrier(bool predicate, Place place) {
    votes_ += predicate;
    threads_[current_]->place = place;
    if (++arrived_ < count_) {
      wait(State::at_barrier);
      return counted_;
    }
    check_same_barrier(place);
    counted_ = votes_;
    arrived_ = votes_ = 0;
    for (unsigned t = 0; t < count_; ++t) threads_[t]->state = State::ready;
    return counted_;
  }

  Exchanged exchange(unsigned mask, uint64_t value) {
    Thread& self = *threads_[current_];
    if (!(mask >> (current_ % kLanes) & 1u)) fail("an exchange whose mask leaves the calling lane out");
    self.given = value;
    self.mask = mask;
    self.state = State::at_exchange;
    if (complete(current_ / kLanes, mask))
      self.state = State::ready;
    else
      wait(State::at_exchange);
    return {self.received, self.received_lanes};
  }

  void warp_barrier(unsigned mask) { exchange(mask, 0); }

  bool fenced(const void*) const { return threads_[current_]->fenced; }
  void fence() { threads_[current_]->fenced = true; }

  unsigned lane() const { return current_ % kLanes; }
  unsigned lanes_that_run() const {
    unsigned lanes = 0;
    const unsigned first = current_ / kLanes * kLanes;
    for (unsigned l = 0; l < kLanes && first + l < count_; ++l)
      lanes |= static_cast<unsigned>(threads_[first + l]->state != State::done) << l;
    return lanes;
  }
  void* shared() {
    const uintptr_t start = reinterpret_cast<uintptr_t>(shared_.data());
    return shared_.data() + (16 - start % 16) % 16;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(concat("simt: ", what, "; kernel launched at ", launch_.file, ":", launch_.line, ", ",
                       text("block", blockIdx), ", ", text("thread", threadIdx)));
  }

 private:
  void add_thread() {
    threads_.push_back(std::make_unique<Thread>());
    Thread& self = *threads_.back();
    self.fiber = context::fiber(std::allocator_arg, context::protected_fixedsize_stack(kStackBytes),
                                [this, &self](context::fiber&& scheduler) {
                                  self.scheduler = std::move(scheduler);
                                  for (;;) {  // a kernel a turn; the fiber is kept for the next block
                                    call_kernel();
                                    self.state = State::done;
                                    self.scheduler = std::move(self.scheduler).resume();
                                  }
                                  return std::move(self.scheduler);
                                });
  }

  void call_kernel() {
    try {
      call_(body_);
    } catch (const std::exception&) {  // not boost's unwinding of a fiber that is thrown away
      failure_ = std::current_exception();
    }
  }

  void run_block(uint3 block) {
    blockIdx = block;
    arrived_ = votes_ = 0;
    for (unsigned t = 0; t < count_; ++t) {
      threads_[t]->state = State::ready;
      threads_[t]->fenced = false;
    }
    unsigned left = 0;
    while (left < count_) {
      bool progress = false;
      for (unsigned t = 0; t < count_; ++t) {
        if (threads_[t]->state != State::ready) continue;
        progress = true;
        resume(t);
        if (threads_[t]->state != State::done) continue;
        ++left;
        complete_without(t);
      }
      if (!progress) report_stuck();
    }
  }

  uint3 index_of(unsigned t) const {
    return {t % launch_.block.x, t / launch_.block.x % launch_.block.y,
            t / launch_.block.x / launch_.block.y};
  }

  void resume(unsigned t) {
    current_ = t;
    threadIdx = index_of(t);
    threads_[t]->fiber = std::move(threads_[t]->fiber).resume();
    if (failure_) std::rethrow_exception(failure_);
  }

  void wait(State state) {
    Thread& self = *threads_[current_];
    self.state = state;
    self.scheduler = std::move(self.scheduler).resume();
  }

  // Threads of one block that wait at two barriers have parted ways; some GPUs let that pass, none promises
  // it.
  void check_same_barrier(Place place) {
    for (unsigned t = 0; t < count_; ++t) {
      const Place other = threads_[t]->place;
      if (other.line == place.line && std::strcmp(other.file, place.file) == 0) continue;
      fail(concat("the thread waits at __syncthreads of ", text(place), " while ",
                  text("thread", index_of(t)), " waits at __syncthreads of ", text(other)));
    }
  }

  // Gives the lanes of `mask` each other's values if all that still run have come. Lanes that have left take
  // no part.
  bool complete(unsigned warp, unsigned mask) {
    unsigned lanes = 0;
    for (unsigned l = 0; l < kLanes; ++l) {
      const unsigned t = warp * kLanes + l;
      if (!(mask >> l & 1u) || t >= count_ || threads_[t]->state == State::done) continue;
      if (threads_[t]->state != State::at_exchange || threads_[t]->mask != mask) return false;
      lanes |= 1u << l;
    }
    for (unsigned l = 0; l < kLanes; ++l) {
      if (!(lanes >> l & 1u)) continue;
      Thread& to = *threads_[warp * kLanes + l];
      for (unsigned from = 0; from < kLanes; ++from)
        if (lanes >> from & 1u) to.received[from] = threads_[warp * kLanes + from]->given;
      to.received_lanes = lanes;
      to.state = State::ready;
    }
    return true;
  }

  // Thread t has left: an exchange that waited for it alone goes on without it.
  void complete_without(unsigned t) {
    for (unsigned l = 0; l < kLanes; ++l) {
      const unsigned other = t / kLanes * kLanes + l;
      if (other < count_ && threads_[other]->state == State::at_exchange)
        complete(t / kLanes, threads_[other]->mask);
    }
  }

  // Nobody can go on: names one that waits and one that it waits for.
  [[noreturn]] void report_stuck() {
    unsigned waiting = 0;
    while (threads_[waiting]->state == State::done) ++waiting;
    const State state = threads_[waiting]->state;
    unsigned missing = waiting;
    for (unsigned t = 0; t < count_ && missing == waiting; ++t) {
      const bool same_warp = t / kLanes == waiting / kLanes && (threads_[waiting]->mask >> (t % kLanes) & 1u);
      const bool other_mask = state == State::at_exchange && threads_[t]->mask != threads_[waiting]->mask;
      if ((state == State::at_barrier || same_warp) && (threads_[t]->state != state || other_mask))
        missing = t;
    }
    threadIdx = index_of(waiting);
    const std::string where = state == State::at_barrier ? " of " + text(threads_[waiting]->place) : "";
    fail(concat("the thread ", doing(state), where, " while ", text("thread", index_of(missing)), " ",
                doing(threads_[missing]->state)));
  }

  std::vector<std::unique_ptr<Thread>> threads_;  // as many as the largest block had, created once
  std::vector<char> shared_;
  Launch launch_{};
  void (*call_)(void*) = nullptr;
  void* body_ = nullptr;
  unsigned count_ = 0, current_ = 0, arrived_ = 0;
  unsigned votes_ = 0, counted_ = 0;  // true predicates at the barrier that fills, and at the last full one
  bool running_ = false;
  std::exception_ptr failure_;
};

Executor& executor() {
  static thread_local Executor one;
  return one;
}

}  // namespace

void run(const Launch& launch, void (*call)(void*), void* body) {
  executor().run(launch, call, body);
}
Exchanged exchange(unsigned mask, uint64_t value) {
  return executor().exchange(mask, value);
}
void warp_barrier(unsigned mask) {
  executor().warp_barrier(mask);
}
unsigned barrier(bool predicate, Place place) {
  return executor().barrier(predicate, place);
}
void fence() {
  executor().fence();
}
bool fenced(const void* address) {
  return executor().fenced(address);
}
unsigned lane() {
  return executor().lane();
}
unsigned lanes_that_run() {
  return executor().lanes_that_run();
}
void* dynamic_shared_memory() {
  return executor().shared();
}
void fail(const char* what) {
  executor().fail(what);
}

}  // namespace saccade::simt
