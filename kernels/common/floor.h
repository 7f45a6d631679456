// The least that an op must do: what its measured time is held against.
#pragma once

namespace saccade {

struct Floor {
  double bytes = 0;       // each input read once, each output written once
  double operations = 0;  // additions, multiplications and comparisons
};

}  // namespace saccade
