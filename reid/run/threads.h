// How many threads this process may have, which a container or `ulimit -u` can limit.
#pragma once

#include <functional>
#include <string>

namespace saccade {

// Who may limit them, for messages.
inline constexpr const char* kThreadLimits = "ulimit -u, or the container's limit of processes";

// Whether a Context of so many threads can work. It starts them, and they stay.
bool can_have_threads(int threads);

// As many threads as a Context has by itself (OMP_NUM_THREADS, or one for each processor); where they cannot be had it
// is one. `notice` is told of that, and of an OMP_NUM_THREADS that is not followed to the letter.
int default_threads(const std::function<void(const std::string& line)>& notice);

}  // namespace saccade
