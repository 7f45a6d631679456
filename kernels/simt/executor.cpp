// The scheduler of Device::simt: it runs one block after the other, and the threads of a block as fibers.
#include <algorithm>
#include <boost/context/fiber.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <numeric>
#include <utility>
#include <vector>

#include "kernels/common/error.h"
#include "kernels/simt/checker.h"
#include "kernels/simt/simt.h"
#include "kernels/simt/traffic.h"

constinit thread_local uint3 threadIdx{}, blockIdx{};
constinit thread_local dim3 blockDim{}, gridDim{};

namespace saccade::simt {

namespace {

namespace context = boost::context;

constexpr unsigned kLanes = 32;
constexpr unsigned kMostThreads = 1024;
// Dynamic shared memory lies among the static shared arrays, so that one call makes both new for a block.
alignas(16) __shared__ char dynamic_shared_bytes[kMostShared];

enum class State : uint8_t { ready, at_barrier, at_exchange, done };

struct Thread {
  context::fiber fiber;      // valid while the thread waits
  context::fiber scheduler;  // valid while it runs
  checker::Fiber checked;
  State state = State::done;
  unsigned mask = 0;           // of the exchange at which it waits
  bool orders_memory = false;  // whether that exchange is a __syncwarp
  uint64_t given = 0;
  uint64_t received[kLanes] = {};
  unsigned received_lanes = 0;
  Place place;          // of the barrier at which it waits
  bool fenced = false;  // whether it has passed a __threadfence
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

// The seed that draws the order of threads and blocks. Any order is allowed; 0 is the order of their numbers.
uint64_t& seed_of_process() {
  static uint64_t seed = [] {
    const char* text = std::getenv("SACCADE_SIMT_SEED");
    return text ? std::strtoull(text, nullptr, 10) : uint64_t{1};
  }();
  return seed;
}

class Shuffle {
 public:
  Shuffle(uint64_t seed, uint64_t stream)
      : in_order_(seed == 0), state_(seed * 0x9e3779b97f4a7c15u + stream) {}
  void operator()(std::vector<unsigned>& order) {
    if (in_order_) return;
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[next() % i]);
  }

 private:
  uint64_t next() {  // splitmix64
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  bool in_order_;
  uint64_t state_;
};

void numbers_below(std::vector<unsigned>& order, size_t count) {
  order.resize(count);
  std::iota(order.begin(), order.end(), 0u);
}

// Allocates the stack of a fiber and notes where it lies, for AddressSanitizer.
class Stacks {
 public:
  explicit Stacks(checker::Fiber& fiber) : fiber_(&fiber) {}
  context::stack_context allocate() {
    context::stack_context stack = source_.allocate();
    fiber_->stack_bottom = static_cast<char*>(stack.sp) - stack.size;
    fiber_->stack_bytes = stack.size;
    return stack;
  }
  void deallocate(context::stack_context& stack) { source_.deallocate(stack); }

 private:
  checker::Fiber* fiber_;
  context::protected_fixedsize_stack source_{kStackBytes};
};

class Executor {
 public:
  ~Executor() { drop_threads(); }

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
    check(launch.shared_bytes <= kMostShared, "launch at ", launch.file, ":", launch.line, ": ",
          launch.shared_bytes, " bytes of dynamic shared memory");
    // The process has one set of static shared arrays.
    static std::mutex one_launch;
    const std::lock_guard<std::mutex> lock(one_launch);
    running_ = true;
    host_ = checker::current();
    const size_t bytes = std::max<size_t>(launch.shared_bytes, 1);
    owned_shared_.reset(kSeparateBuffers ? static_cast<char*>(std::malloc(bytes)) : nullptr);
    if constexpr (kCountsTraffic) traffic_detail::begin_launch(launch.file, launch.line, count_);
    checker::release(&started_);
    try {
      const auto& [columns, rows, layers] = launch.grid;
      numbers_below(blocks_, size_t{columns} * rows * layers);
      Shuffle(seed_of_process(), 0)(blocks_);
      for (size_t i = 0; i < blocks_.size(); ++i) {
        const unsigned b = blocks_[i];
        select_threads(static_cast<unsigned>(i % kSetsOfThreads) * kMostThreads);
        run_block({b % columns, b / columns % rows, b / columns / rows}, b);
      }
    } catch (...) {
      drop_threads();
      failure_ = nullptr;
      running_ = false;
      throw;
    }
    checker::acquire(&ended_);
    running_ = false;
  }

  // The last thread to come overwrites `counted_`; by then all have read the count of the barrier before.
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
    order_memory(0, count_, [](unsigned) { return true; });
    for (unsigned t = 0; t < count_; ++t) threads_[t]->state = State::ready;
    return counted_;
  }

  Exchanged exchange(unsigned mask, uint64_t value, bool orders_memory = false) {
    Thread& self = *threads_[current_];
    self.orders_memory = orders_memory;
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

  void warp_barrier(unsigned mask) { exchange(mask, 0, true); }

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
  void* shared() { return owned_shared_ ? owned_shared_.get() : dynamic_shared_bytes; }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(concat("simt: ", what, "; kernel launched at ", launch_.file, ":", launch_.line, ", ",
                       text("block", blockIdx), ", ", text("thread", threadIdx)));
  }

 private:
  // Makes the threads from `first` on those of the next block.
  void select_threads(unsigned first) {
    while (all_threads_.size() < first + kMostThreads) all_threads_.push_back(nullptr);
    threads_ = all_threads_.data() + first;
    for (unsigned t = 0; t < count_; ++t)
      if (!threads_[t])
        threads_[t] = new_thread(t < kToldApart ? nullptr : &threads_[t - kToldApart]->checked);
    checker::release(&started_);  // orders the stacks of new threads, too
  }

  std::unique_ptr<Thread> new_thread(const checker::Fiber* shared) {
    auto thread = std::make_unique<Thread>();
    Thread& self = *thread;
    if (shared)
      checker::share(self.checked, *shared);
    else
      checker::create(self.checked);
    self.fiber =
        context::fiber(std::allocator_arg, Stacks(self.checked), [this, &self](context::fiber&& scheduler) {
          self.scheduler = std::move(scheduler);
          checker::arrive(self.checked, host_stack_);
          try {
            for (;;) {  // a kernel in each round; the fiber is kept for the next block
              call_kernel();
              self.state = State::done;
              give_way(self);
            }
          } catch (const context::detail::forced_unwind&) {  // the thread is dropped
            checker::leave_for_good(host_stack_);
            throw;
          }
          return std::move(self.scheduler);
        });
    return thread;
  }

  // Unwinds the threads that are still inside a kernel.
  void drop_threads() {
    // From the end: threads that share a fiber of ThreadSanitizer come before its owner.
    for (size_t i = all_threads_.size(); i-- > 0;) {
      auto& thread = all_threads_[i];
      if (!thread) continue;
      checker::become(thread->checked);
      checker::Fiber here;
      checker::leave(here, thread->checked);
      thread->fiber = {};
      checker::arrive(here, thread->checked);
      checker::become(host_);
      checker::destroy(thread->checked);
    }
    all_threads_.clear();
  }

  void call_kernel() {
    checker::acquire(&started_);
    try {
      call_(body_);
    } catch (const std::exception&) {  // boost's unwinding of a dropped fiber is no std::exception
      failure_ = std::current_exception();
    }
    checker::release(&ended_);
  }

  void run_block(uint3 block, unsigned number) {
    blockIdx = block;
    arrived_ = votes_ = 0;
    barriers_ = std::make_unique<Barriers>();
    checker::fresh_shared_memory(shared(), launch_.shared_bytes);
    for (unsigned t = 0; t < count_; ++t) {
      threads_[t]->state = State::ready;
      threads_[t]->fenced = false;
    }
    numbers_below(turns_, count_);
    Shuffle shuffle(seed_of_process(), number + 1);
    unsigned left = 0;
    while (left < count_) {
      bool progress = false;
      shuffle(turns_);
      for (const unsigned t : turns_) {
        if (threads_[t]->state != State::ready) continue;
        progress = true;
        resume(t);
        if (threads_[t]->state != State::done) continue;
        ++left;
        complete_without(t);
      }
      if (!progress) report_stuck();
    }
    if constexpr (kCountsTraffic) traffic_detail::end_block();
  }

  // Orders memory: from here on, each of the chosen threads sees all that any of them did before.
  template <class Chosen>
  void order_memory([[maybe_unused]] unsigned first, [[maybe_unused]] unsigned count,
                    [[maybe_unused]] Chosen chosen) {
#ifdef SACCADE_SIMT_RACE
    void* object = count == count_ && first == 0 ? &barriers_->block : &barriers_->warp[first / kLanes];
    void* caller = checker::current();
    const auto each = [&](auto&& action) {
      for (unsigned t = first; t < first + count; ++t) {
        if (!chosen(t)) continue;
        checker::become(threads_[t]->checked);
        action(object);
      }
    };
    each(checker::release);
    each(checker::acquire);
    checker::become(caller);
#endif
  }

  uint3 index_of(unsigned t) const {
    return {t % launch_.block.x, t / launch_.block.x % launch_.block.y,
            t / launch_.block.x / launch_.block.y};
  }

  void resume(unsigned t) {
    current_ = t;
    threadIdx = index_of(t);
    checker::become(threads_[t]->checked);
    checker::leave(host_stack_, threads_[t]->checked);
    if constexpr (kCountsTraffic) {
      const checker::Fiber& fiber = threads_[t]->checked;
      traffic_detail::begin_thread(t, {fiber.stack_bottom, fiber.stack_bytes},
                                   {threads_[t].get(), sizeof(Thread)});
    }
    threads_[t]->fiber = std::move(threads_[t]->fiber).resume();
    if constexpr (kCountsTraffic) traffic_detail::pause();
    checker::arrive(host_stack_, threads_[t]->checked);
    checker::become(host_);
    if (failure_) std::rethrow_exception(failure_);
  }

  void wait(State state) {
    Thread& self = *threads_[current_];
    self.state = state;
    give_way(self);
  }

  void give_way(Thread& self) {
    struct Return {  // also when the thread is being unwound
      Executor* executor;
      Thread& thread;
      ~Return() { checker::arrive(thread.checked, executor->host_stack_); }
    };
    checker::leave(self.checked, host_stack_);
    const Return after{this, self};
    self.scheduler = std::move(self.scheduler).resume();
  }

  // Fails if threads of one block wait at different barriers. Some GPUs let that pass, but none promises it.
  void check_same_barrier(Place place) {
    for (unsigned t = 0; t < count_; ++t) {
      const Place other = threads_[t]->place;
      if (other.line == place.line && std::strcmp(other.file, place.file) == 0) continue;
      fail(concat("the thread waits at __syncthreads of ", text(place), " while ",
                  text("thread", index_of(t)), " waits at __syncthreads of ", text(other)));
    }
  }

  // Gives the lanes of `mask` each other's values if all that still run have come;
  // lanes that have left take no part.
  bool complete(unsigned warp, unsigned mask) {
    unsigned lanes = 0;
    for (unsigned l = 0; l < kLanes; ++l) {
      const unsigned t = warp * kLanes + l;
      if (!(mask >> l & 1u) || t >= count_ || threads_[t]->state == State::done) continue;
      if (threads_[t]->state != State::at_exchange || threads_[t]->mask != mask) return false;
      lanes |= 1u << l;
    }
    unsigned barrier_lanes = 0;
    for (unsigned l = 0; l < kLanes; ++l)
      if ((lanes >> l & 1u) && threads_[warp * kLanes + l]->orders_memory) barrier_lanes |= 1u << l;
    if (barrier_lanes)
      order_memory(warp * kLanes, std::min(kLanes, count_ - warp * kLanes),
                   [&](unsigned t) { return barrier_lanes >> t % kLanes & 1u; });
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

  // Thread t has left: completes the exchanges that waited for it alone.
  void complete_without(unsigned t) {
    for (unsigned l = 0; l < kLanes; ++l) {
      const unsigned other = t / kLanes * kLanes + l;
      if (other < count_ && threads_[other]->state == State::at_exchange)
        complete(t / kLanes, threads_[other]->mask);
    }
  }

  // No thread can go on: fails with a thread that waits and one for which it waits.
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

  // ThreadSanitizer's objects for what barriers order; new for each block, as blocks are not ordered.
  struct Barriers {
    uint64_t block, warp[kMostThreads / kLanes];
  };
  struct Free {
    void operator()(char* data) const { std::free(data); }
  };

  std::vector<std::unique_ptr<Thread>> all_threads_;  // created once
  std::unique_ptr<Thread>* threads_ = nullptr;        // those of the running block
  std::vector<unsigned> blocks_, turns_;              // blocks and threads in the order in which they run
  std::unique_ptr<Barriers> barriers_;
  std::unique_ptr<char, Free> owned_shared_;  // dynamic shared memory with redzones
  uint64_t started_ = 0, ended_ = 0;          // order a launch after and before the work of the host
  void* host_ = nullptr;
  checker::Fiber host_stack_;
  Launch launch_{};
  void (*call_)(void*) = nullptr;
  void* body_ = nullptr;
  unsigned count_ = 0, current_ = 0, arrived_ = 0;
  unsigned votes_ = 0, counted_ = 0;  // true predicates at the barrier in progress, and at the last one
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
void set_seed(uint64_t seed) {
  seed_of_process() = seed;
}
uint64_t seed() {
  return seed_of_process();
}
void* dynamic_shared_memory() {
  return executor().shared();
}
void fail(const char* what) {
  executor().fail(what);
}

}  // namespace saccade::simt
