// Times, and work that is recorded to be replayed.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "kernels/common/clock.h"
#include "kernels/common/device.h"

namespace saccade::bench {

struct Times {
  double p10 = 0, median = 0, p90 = 0;

  explicit Times(std::vector<double> seconds) {
    std::sort(seconds.begin(), seconds.end());
    const size_t n = seconds.size();
    if (n > 0) p10 = seconds[n / 10], median = seconds[n / 2], p90 = seconds[n * 9 / 10];
  }
};

// Work that is recorded once (kernels/common/device.h: a CUDA graph, on simt a list of launches). Throws if
// the work cannot be recorded: it reads or writes on the host, waits for the device, or allocates.
class Graph {
 public:
  Graph(Context& context, const std::function<void()>& work) : context_(context) {
    begin_recording(context);
    context.in_segment = true;
    try {
      work();
      recording_ = end_recording(context);
    } catch (...) {
      context.in_segment = false;
      abandon_recording(context);
      throw;
    }
    context.in_segment = false;
  }

  void replay() { saccade::replay(context_, recording_); }

 private:
  Context& context_;
  std::shared_ptr<void> recording_;
};

}  // namespace saccade::bench
