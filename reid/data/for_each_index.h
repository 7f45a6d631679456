// The same work for many independent things, by several threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace saccade {

// Told that `done` of `all` things are done.
using Counted = std::function<void(int64_t done, int64_t all)>;

// Calls work(0), ..., work(count - 1), each once and in no order, on `threads` threads, one of which is the
// caller's. An exception ends the work, and the one of the lowest index that threw is rethrown: indices are
// taken in rising order, so every index below it has been tried, and a damaged file is named whatever the
// number of threads.
// `counted` is called on the caller's thread: after each work there, and once when all is done. What it throws ends the
// work, too, and goes through before any other exception.
template <class Work>
void for_each_index(int64_t count, int threads, const Work& work, const Counted& counted = {}) {
  std::atomic<int64_t> next{0}, done{0};
  std::mutex mutex;
  int64_t failed = count;
  std::exception_ptr error;
  const auto fail = [&](int64_t i) {
    next = count;
    const std::lock_guard<std::mutex> lock(mutex);
    if (i < failed) {
      failed = i;
      error = std::current_exception();
    }
  };
  const auto run = [&](bool counts) {
    for (int64_t i = next++; i < count; i = next++) {
      try {
        work(i);
      } catch (...) {
        fail(i);
        continue;
      }
      const int64_t now = ++done;
      if (!counts || now == count) continue;
      try {
        counted(now, count);
      } catch (...) {
        fail(-1);
      }
    }
  };
  std::vector<std::thread> others;
  try {
    for (int t = 1; t < threads; ++t) others.emplace_back(run, false);
  } catch (const std::system_error&) {  // the system allows no more: those that there are do the work
  }
  run(static_cast<bool>(counted));
  for (std::thread& other : others) other.join();
  if (error) std::rethrow_exception(error);
  if (counted && count > 0) counted(count, count);
}

}  // namespace saccade
