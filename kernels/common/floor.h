// The least that an op must do: its measured time is compared with this. In the floors that headers state, E
// is the number of elements and s the bytes of one (4 for f32, 2 for bf16).
#pragma once

namespace saccade {

struct Floor {
  double bytes = 0;       // each input read once, each output written once
  double operations = 0;  // additions, multiplications and comparisons
};

}  // namespace saccade
