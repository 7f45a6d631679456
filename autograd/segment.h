// A stretch of work that is recorded once and then replays on the same addresses.
#pragma once

#include <string>

#include "tensor/memory.h"

namespace saccade {

// Runs `work` as the segment `key`. The first run with a key records its allocations and plans an arena; later
// runs make the same calls on the same addresses (on CUDA they can be captured as a graph). The key must name
// every shape and switch that changes what `work` does. Inside, the host may read no device value. Tensors made
// inside stay valid until the next run of the same key.
template <class Work>
void run_segment(Context& context, const std::string& key, Work&& work) {
  Memory& memory = memory_of(context);
  memory.begin_segment(key);
  context.in_segment = true;
  try {
    work();
  } catch (...) {
    context.in_segment = false;
    memory.abort_segment();
    throw;
  }
  context.in_segment = false;
  memory.end_segment();
}

}  // namespace saccade
