#include "tools/common/stop_signal.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <ctime>
#include <initializer_list>

namespace saccade {

namespace {

std::atomic<int> received{0};
std::atomic<int64_t> received_at{0};  // milliseconds
static_assert(std::atomic<int64_t>::is_always_lock_free);

void on_signal(int number) {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  const int64_t now = int64_t{1000} * time.tv_sec + time.tv_nsec / 1000000;
  int none = 0;
  if (!received.compare_exchange_strong(none, number)) {
    // A terminal that closes sends its signal twice, and so does who asks a whole group of processes.
    if (now - received_at < 1000) return;
    std::signal(number, SIG_DFL);
    std::raise(number);
    return;
  }
  received_at = now;
  constexpr char text[] = "\nstopping after this step; a signal after a second ends at once\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, text, sizeof text - 1);
}

}  // namespace

void catch_stop_signals() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction old = {}, action = {};
    if (sigaction(number, nullptr, &old) != 0 || old.sa_handler == SIG_IGN) continue;
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;  // reads and writes go on
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, nullptr);
  }
}

int stop_signal() {
  return received;
}

}  // namespace saccade
