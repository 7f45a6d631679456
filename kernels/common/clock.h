// Time for measuring.
#pragma once

#include <chrono>
#include <utility>

namespace saccade {

// Seconds of a clock that never goes back; only differences mean something.
inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Runs from its making on. Seconds.
class Stopwatch {
 public:
  double seconds() const { return now() - began_; }
  // Of the last call, or of the making.
  double lap() {
    const double before = std::exchange(last_, now());
    return last_ - before;
  }

 private:
  double began_ = now(), last_ = began_;
};

}  // namespace saccade
