#include "tools/common/stop_signal.h"

#include <unistd.h>

#include <csignal>
#include <initializer_list>

namespace saccade {

namespace {

volatile std::sig_atomic_t received = 0;

void on_signal(int number) {
  if (received != 0) {
    std::signal(number, SIG_DFL);
    std::raise(number);
    return;
  }
  received = number;
  constexpr char text[] = "\nstopping after this step; a second signal ends at once\n";
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
