#include "reid/run/threads.h"

#include <cstdlib>
#include <cstring>

#include "kernels/common/context.h"
#include "kernels/common/team.h"

namespace saccade {

bool can_have_threads(int threads) {
  return Team::of_process().grow(threads);
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
