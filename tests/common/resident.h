// The memory that this process has now.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <fstream>

namespace saccade {

inline size_t resident_bytes() {
  size_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace saccade
