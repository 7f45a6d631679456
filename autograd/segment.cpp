#include "autograd/segment.h"

#include <algorithm>

#include "kernels/common/device.h"

namespace saccade {

namespace {

std::shared_ptr<ArenaSpace> new_space(Context& context) {
  memory_of(context);
  return std::make_shared<ArenaSpace>(context.memory);
}

}  // namespace

Segment::Segment(Context& context) : context_(&context), space_(new_space(context)) {}

Segment::Segment(Context& context, const Segment& other) : context_(&context), space_(other.space_) {
  check(other.context_ == &context, "segments of two contexts share no memory");
}

void Segment::involve(ParameterArena& parameters) {
  for (const Involved& known : running_->involved)
    if (const auto arena = known.arena.lock(); arena && *arena == &parameters) return;
  running_->involved.push_back(
      {parameters.handle(), parameters.version(), parameters.waiting(), {}, parameters.writes()});
}

bool Segment::still_holds(const Kept& kept) const {
  return std::all_of(kept.involved.begin(), kept.involved.end(), [](const Involved& known) {
    const auto arena = known.arena.lock();
    return arena && (*arena)->version() == known.version && (*arena)->waiting() == known.waiting_before;
  });
}

void Segment::run(const std::string& key, const std::function<void()>& work) {
  check(context_->segment == nullptr, "segments do not nest");
  Kept& kept = kept_[key];
  if (!kept.arena || !still_holds(kept)) {
    kept = Kept();
    kept.arena = std::make_shared<Arena>(space_);
  }
  if (kept.recording && kept.generation != space_->generation()) kept.recording = nullptr;
  if (kept.recording) return replay_kept(kept);
  const bool records = kept.planned && context_->replays_segments && can_record(context_->device());
  run_once(kept, work, records);
  if (records) replay(*context_, kept.recording);
}

void Segment::run_once(Kept& kept, const std::function<void()>& work, bool records) {
  Memory& memory = memory_of(*context_);
  kept.involved.clear();
  memory.begin(kept.arena);
  kept.generation = space_->generation();
  running_ = &kept;
  context_->in_segment = true;
  context_->segment = this;
  const auto leave = [&] {
    running_ = nullptr;
    context_->segment = nullptr;
    context_->in_segment = false;
  };
  try {
    if (records) begin_recording(*context_);
    work();
    if (records) kept.recording = end_recording(*context_);
  } catch (...) {
    if (records) abandon_recording(*context_);
    leave();
    memory.abort();
    // Half of a step's gradients may be written: the step begins anew.
    for (const Involved& known : kept.involved)
      if (const auto arena = known.arena.lock()) (*arena)->begin_step();
    throw;
  }
  leave();
  memory.end();
  kept.planned = true;
  for (Involved& known : kept.involved) {
    ParameterArena& arena = **known.arena.lock();
    known.waiting_after = arena.waiting();
    const std::vector<uint64_t> writes = arena.writes();
    for (size_t i = 0; i < writes.size(); ++i) known.writes[i] = writes[i] - known.writes[i];
  }
}

// A replay is seen by no function: what the recorded run did to the parameters' books is done here.
void Segment::replay_kept(Kept& kept) {
  memory_of(*context_).claim(kept.arena);
  replay(*context_, kept.recording);
  for (const Involved& known : kept.involved) {
    ParameterArena& arena = **known.arena.lock();
    arena.set_waiting(known.waiting_after);
    arena.count_writes(known.writes);
  }
}

}  // namespace saccade
