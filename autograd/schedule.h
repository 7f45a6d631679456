// Learning-rate schedules: factors on the base rate, as pure functions of the place in training. Places and lengths are
// epochs or steps, as the caller counts.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace saccade {

// gamma to the power of the number of milestones that `place`, counted from 0, has reached.
inline double step_factor(int64_t place, const std::vector<int64_t>& milestones, double gamma) {
  return std::pow(gamma,
                  std::count_if(milestones.begin(), milestones.end(), [&](int64_t m) { return m <= place; }));
}

// Half a cosine from 1 at position 0 to 0 at `length`
// (Loshchilov and Hutter: "SGDR", ICLR 2017, eq. 5 without restarts).
inline double cosine_factor(double position, double length) {
  return 0.5 * (1 + std::cos(3.14159265358979323846 * std::clamp(position / length, 0.0, 1.0)));
}

// A straight line from `start` at position 0 to 1 at `warmup`, then 1.
inline double warmup_factor(double position, double warmup, double start) {
  return position >= warmup ? 1.0 : start + (1 - start) * position / warmup;
}

}  // namespace saccade
