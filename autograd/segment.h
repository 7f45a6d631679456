// A stretch of work that is recorded once and then replays on the same addresses.
#pragma once

#include <memory>
#include <string>

#include "kernels/common/device.h"
#include "tensor/memory.h"

namespace saccade {

// What a context keeps of a segment beside its arena.
struct SegmentReplay {
  int64_t runs = 0;
  std::shared_ptr<void> recording;  // once it replays
};

// Runs `work` as the segment `key`. The first run with a key runs as it comes, records its allocations and plans an arena.
// On the CPU later runs make the same calls on the same addresses. On cuda and simt the second run is recorded on those
// addresses (a CUDA graph) and replayed, and all later ones replay it: `work` is not called again then, so whatever it reads
// or leaves for the host lies in tensors made outside, at addresses that stay. The key must name every shape and switch that
// changes what `work` does. Inside, the host may read no device value and write none. Tensors made inside stay valid until
// the next run of the same key.
template <class Work>
void run_segment(Context& context, const std::string& key, Work&& work) {
  auto& kept = context.plan<SegmentReplay>(key, [] { return SegmentReplay(); });
  if (kept.recording) return replay(context, kept.recording);
  const bool records = kept.runs > 0 && context.replays_segments && can_record(context.device());
  Memory& memory = memory_of(context);
  memory.begin_segment(key);
  context.in_segment = true;
  try {
    if (records) begin_recording(context);
    work();
    if (records) kept.recording = end_recording(context);
  } catch (...) {
    if (records) abandon_recording(context);
    context.in_segment = false;
    memory.abort_segment();
    throw;
  }
  context.in_segment = false;
  memory.end_segment();
  ++kept.runs;
  if (records) replay(context, kept.recording);
}

}  // namespace saccade
