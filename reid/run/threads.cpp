#include "reid/run/threads.h"

#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "kernels/common/context.h"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace saccade {

namespace {

// How many threads can be there at a time, `wanted` at most.
int startable_threads(int wanted) {
  std::mutex mutex;
  std::condition_variable over;
  bool is_over = false;
  std::vector<std::thread> others;
  try {
    while (static_cast<int>(others.size()) + 1 < wanted)
      others.emplace_back([&] {
        std::unique_lock lock(mutex);
        over.wait(lock, [&] { return is_over; });
      });
  } catch (const std::system_error&) {  // so many, then
  }
  {
    const std::lock_guard lock(mutex);
    is_over = true;
  }
  over.notify_all();
  for (std::thread& other : others) other.join();
  return static_cast<int>(others.size()) + 1;
}

}  // namespace

bool can_have_threads(int threads) {
#ifdef _OPENMP
  if (threads > omp_get_thread_limit()) return false;
#endif
  // OpenMP's pool shrinks and grows from one piece of work to the next, and a thread that ends still counts as one that
  // is there; with one thread there is no pool.
  const int at_a_time = 2 * threads - 1;
  return startable_threads(at_a_time) == at_a_time;
}

int default_threads(const std::function<void(const std::string& line)>& notice) {
  const int wanted = Context(Device::cpu).threads();
  const auto say = [&](const std::string& line) {
    if (notice) notice(line);
  };
  const char* wish = std::getenv("OMP_NUM_THREADS");
  const std::string first = wish == nullptr ? "" : std::string(wish, std::strcspn(wish, ","));
  if (!first.empty() && first != std::to_string(wanted))
    say(concat("OMP_NUM_THREADS is ", first, ", which is not followed: there are ", wanted, " threads"));
  if (can_have_threads(wanted)) return wanted;
  say(concat("a pool of ", wanted, " threads cannot be had (", kThreadLimits, "): one thread does the work"));
  return 1;
}

}  // namespace saccade
