// Makes batches ahead of their use. Worker threads call a maker for each batch of a range, and next() hands
// the results out in the order of the range, for any number of workers.
//
// What a batch holds is the maker's business: pictures, clips with their flow, the pictures of a class
// folder, the batches of several tasks for one step. A maker whose result depends on the index alone gives
// the same batches for every number of workers and from whichever batch a run is resumed.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/common/error.h"

namespace saccade {

struct NoScratch {};

// `Batch` is default-constructed once for each batch that waits and used again for later ones, so that its
// memory stays. A worker keeps its `Scratch` from batch to batch: buffers, a decoder, a Context.
template <class Batch, class Scratch = NoScratch>
class Prefetch {
 public:
  // Fills `batch`, which may hold another batch's values, with batch `index`. Several threads call it at a
  // time, each with a scratch of its own. What it throws, next() throws when that batch's turn comes.
  using Make = std::function<void(int64_t index, Batch& batch, Scratch& scratch)>;

  // workers = 0, and where no thread can be started: next() makes each batch on the caller's thread. `ahead`: how
  // many batches may wait for next(); at least one for each worker. Error for negative workers or ahead < 1.
  Prefetch(int workers, int ahead, Make make) : make_(std::move(make)), workers_(workers) {
    check(workers >= 0 && ahead >= 1, "prefetch: ", workers, " workers, ", ahead, " batches ahead");
    for (int i = 0; i < std::max(workers, 1); ++i) scratches_.push_back(std::make_unique<Scratch>());
    if (workers > 0) slots_.resize(static_cast<size_t>(std::max(workers, ahead)));
  }
  ~Prefetch() { stop(); }
  Prefetch(const Prefetch&) = delete;
  Prefetch& operator=(const Prefetch&) = delete;

  // Begins the batches first, first + 1, ..., end - 1; INT64_MAX is a range without end. What was left of the
  // range before is dropped. Error unless 0 <= first <= end.
  void start(int64_t first, int64_t end) {
    check(0 <= first && first <= end, "prefetch: no batches from ", first, " to ", end);
    stop();
    taken_ = given_ = first;
    end_ = end;
    stopping_ = false;
    for (Slot& slot : slots_) {
      slot.ready = false;
      slot.error = nullptr;
    }
    try {
      for (int64_t i = 0; i < std::min<int64_t>(workers_, end - first); ++i)
        threads_.emplace_back([this, i] { work(*scratches_[static_cast<size_t>(i)]); });
    } catch (const std::system_error&) {  // the system allows no more: those that there are do the work
    }
  }

  // The next batch, swapped into `batch`; false at the end of the range. After an exception of the maker the
  // range is over.
  bool next(Batch& batch) {
    if (given_ == end_) return false;
    try {
      threads_.empty() ? make_(given_++, batch, *scratches_[0]) : take(batch);
    } catch (...) {
      stop();
      throw;
    }
    return true;
  }

  // Ends the range: waits for the batches that are being made and drops them. What the maker reads may change
  // between stop() and start(), and at no other time.
  void stop() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    slot_free_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    given_ = end_;
  }

 private:
  struct Slot {
    Batch batch;
    std::exception_ptr error;
    bool ready = false;
  };
  Slot& slot_of(int64_t index) {
    return slots_[static_cast<size_t>(index % static_cast<int64_t>(slots_.size()))];
  }

  void work(Scratch& scratch) {
    std::unique_lock<std::mutex> lock(mutex_);
    const int64_t slots = static_cast<int64_t>(slots_.size());
    while (true) {
      slot_free_.wait(lock, [&] { return stopping_ || taken_ == end_ || taken_ < given_ + slots; });
      if (stopping_ || taken_ == end_) return;
      const int64_t index = taken_++;
      Slot& slot = slot_of(index);
      lock.unlock();
      std::exception_ptr error;
      try {
        make_(index, slot.batch, scratch);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      slot.error = error;
      slot.ready = true;
      slot_ready_.notify_one();
    }
  }

  void take(Batch& batch) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      Slot& slot = slot_of(given_);
      slot_ready_.wait(lock, [&] { return slot.ready; });
      slot.ready = false;
      if (slot.error) std::rethrow_exception(std::exchange(slot.error, nullptr));
      std::swap(batch, slot.batch);
      ++given_;
    }
    slot_free_.notify_one();
  }

  const Make make_;
  const int workers_;
  std::vector<std::unique_ptr<Scratch>> scratches_;  // one for each worker; without workers, the caller's

  // Batch t is made in slot t % slots. Workers take batches up to `end_`, at most `slots` ahead.
  std::mutex mutex_;
  std::condition_variable slot_free_, slot_ready_;
  std::vector<Slot> slots_;
  int64_t taken_ = 0;  // the next batch that a worker takes
  int64_t given_ = 0;  // the next batch that next() gives out
  int64_t end_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace saccade
