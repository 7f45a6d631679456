// A stretch of work that runs as it comes once, plans its memory, and then replays on the same addresses.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "autograd/parameter.h"
#include "tensor/memory.h"

namespace saccade {

// The first run with a key runs as it comes, records its allocations and plans an arena. On the CPU later runs make the
// same calls on the same addresses. On cuda and simt the second run is recorded on those addresses (a CUDA graph) and
// replayed, and all later ones replay it: `work` is not called again then, so whatever it reads or leaves for the host
// lies in tensors made outside, at addresses that stay: a replay after one of them is gone is an Error. Inside, the
// host may read no device value and write none.
//
// The key names every shape and switch that changes what `work` does. What the parameters add to it is known without a
// key: a run in which one was frozen or freed since, or gradients wait that did not wait before,
// plans and records anew.
//
// After an exception the gradients that wait in the parameters involved are dropped: the step begins anew.
//
// Tensors made inside stay valid until the next run of the segment. Arena and graph go with the segment; tensors that
// outlive it keep the arena.
class Segment {
 public:
  // `context` outlives the segment.
  explicit Segment(Context& context);
  // Shares its memory with `other`: the two never live at the same time. A tensor of one that is still held when the
  // other begins is an Error.
  Segment(Context& context, const Segment& other);
  Segment(Segment&&) = default;

  void run(const std::string& key, const std::function<void()>& work);
  void run(const std::function<void()>& work) { run("", work); }

  // --- For tapes and learners ---
  // The work that runs uses these parameters: what is recorded of it holds while they stay as they are.
  void involve(ParameterArena& parameters);

 private:
  // What a run found of the parameters that it used, and how it left them.
  struct Involved {
    std::weak_ptr<ParameterArena*> arena;  // empty once the parameters are gone
    uint64_t version;
    std::vector<bool> waiting_before, waiting_after;  // Parameter::grad_written
  };
  struct Kept {
    std::shared_ptr<Arena> arena;
    bool planned = false;
    std::shared_ptr<void> recording;  // once it replays
    uint64_t generation = 0;          // of the space that it was recorded on
    std::vector<Involved> involved;
    Uses uses;  // of the recorded run
  };
  static bool is_of_now(const Kept& kept);
  static bool still_holds(const Kept& kept);
  Kept& kept_for(const std::string& key);
  void run_once(Kept& kept, const std::function<void()>& work, bool records);
  void replay_kept(Kept& kept);

  Context* context_;
  std::shared_ptr<ArenaSpace> space_;
  std::map<std::string, std::vector<Kept>>
      kept_;  // by key; of each, one for every state of waiting gradients
  Kept* running_ = nullptr;
};

}  // namespace saccade
