// The same work for many independent things, by several threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace saccade {

// Calls work(0), ..., work(count - 1), each once and in no order, on `threads` threads, one of which is the
// caller's. An exception ends the work, and the one of the lowest index that threw is rethrown: indices are
// taken in rising order, so every index below it has been tried, and a damaged file is named whatever the
// number of threads.
template <class Work>
void for_each_index(int64_t count, int threads, const Work& work) {
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  int64_t failed = count;
  std::exception_ptr error;
  const auto run = [&] {
    for (int64_t i = next++; i < count; i = next++) {
      try {
        work(i);
      } catch (...) {
        next = count;
        const std::lock_guard<std::mutex> lock(mutex);
        if (i < failed) {
          failed = i;
          error = std::current_exception();
        }
      }
    }
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(run);
  run();
  for (std::thread& other : others) other.join();
  if (error) std::rethrow_exception(error);
}

}  // namespace saccade
