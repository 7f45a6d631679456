#include "autograd/segment.h"

#include <algorithm>

#include "kernels/common/device.h"
#include "tensor/tensor.h"

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
  running_->involved.push_back({parameters.handle(), parameters.version(), parameters.waiting(), {}});
}

// Whether the parameters are there, and none was frozen, freed or moved to another group since.
bool Segment::is_of_now(const Kept& kept) {
  return std::all_of(kept.involved.begin(), kept.involved.end(), [](const Involved& known) {
    const auto arena = known.arena.lock();
    return arena && (*arena)->version() == known.version;
  });
}

bool Segment::still_holds(const Kept& kept) {
  return is_of_now(kept) &&
         std::all_of(kept.involved.begin(), kept.involved.end(), [](const Involved& known) {
           return (*known.arena.lock())->waiting() == known.waiting_before;
         });
}

Segment::Kept& Segment::kept_for(const std::string& key) {
  std::vector<Kept>& all = kept_[key];
  const auto found = std::find_if(all.begin(), all.end(), still_holds);
  if (found != all.end()) return *found;
  std::erase_if(all, [](const Kept& kept) { return !is_of_now(kept); });
  all.emplace_back().arena = std::make_shared<Arena>(space_);
  return all.back();
}

void Segment::run(const std::string& key, const std::function<void()>& work) {
  check(context_->segment == nullptr, "segments do not nest");
  Kept& kept = kept_for(key);
  if (kept.recording && kept.generation != space_->generation()) kept.recording = nullptr;
  if (kept.recording) return replay_kept(kept);
  const bool records = kept.planned && context_->replays_segments && can_record(context_->device());
  run_once(kept, work, records);
  if (records) replay(*context_, kept.recording);
}

void Segment::run_once(Kept& kept, const std::function<void()>& work, bool records) {
  Memory& memory = memory_of(*context_);
  kept.involved.clear();
  kept.uses = {};
  memory.begin(kept.arena);
  kept.generation = space_->generation();
  running_ = &kept;
  context_->in_segment = true;
  context_->segment = this;
  if (records) memory.note_uses(&kept.uses);
  const auto leave = [&] {
    memory.note_uses(nullptr);
    running_ = nullptr;
    context_->segment = nullptr;
    context_->in_segment = false;
  };
  try {
    if (records) begin_recording(*context_);
    work();
    if (records) kept.recording = end_recording(*context_);
    leave();
    memory.end();
  } catch (...) {
    if (records && !kept.recording) abandon_recording(*context_);
    kept.recording = nullptr;
    leave();
    memory.abort();
    // Half of a step's gradients may be written: the step begins anew.
    for (const Involved& known : kept.involved)
      if (const auto arena = known.arena.lock()) (*arena)->begin_step();
    throw;
  }
  kept.planned = true;
  for (Involved& known : kept.involved)
    if (const auto arena = known.arena.lock())
      known.waiting_after = (*arena)->waiting();  // else the next run plans anew
}

// No function runs in a replay, so the flags and versions that the recorded run changed are set here.
void Segment::replay_kept(Kept& kept) {
  for (const auto& [address, storage] : kept.uses.used)
    check(!storage.expired(),
          "a tensor that a recorded segment uses is gone: write new values into one that stays, and make no "
          "new one");
  memory_of(*context_).claim(kept.arena);
  replay(*context_, kept.recording);
  for (const auto& [address, storage] : kept.uses.written)
    if (const auto live = storage.lock()) ++live->version;
  for (const Involved& known : kept.involved) (*known.arena.lock())->set_waiting(known.waiting_after);
}

}  // namespace saccade
