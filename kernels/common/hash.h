// A 64-bit hash of a text that is the same on every machine and in every run: names become keys of random streams.
#pragma once

#include <cstdint>
#include <string>

namespace saccade {

// FNV-1a (Fowler, Noll, Vo). The offset basis lacks the last digit of the published one; initial weights and goldens
// depend on it as it is.
inline uint64_t hash_of(const std::string& text) {
  uint64_t hash = 1469598103934665603ull;
  for (const unsigned char c : text) hash = (hash ^ c) * 1099511628211ull;
  return hash;
}

}  // namespace saccade
