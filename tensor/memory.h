// The memory that the tensors of one context live in: a pool that keeps its pages, and arenas that give a
// repeated sequence of allocations the same addresses again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/common/context.h"

namespace saccade {

// An arena planned from one recorded run of a segment. The i-th allocation of every later run is served at the
// offset planned for the i-th allocation of the recorded one; two allocations share bytes only if the recorded
// run freed the first before it made the second.
class Arena {
 public:
  struct Block {
    size_t bytes = 0;
    int64_t born = 0, died = INT64_MAX;  // in events of the recorded run
    size_t offset = 0;
    std::vector<int> overlaps;  // earlier blocks that share bytes
    bool live = false;
  };
  std::vector<Block> blocks;
  size_t bytes = 0;
  void* base = nullptr;

  void plan();  // fills offsets and overlaps: largest first, lowest offset that is free for the lifetime
};

class Memory {
 public:
  Memory(Device device, int device_index) : device_(device), device_index_(device_index) {}
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // Memory of at least `bytes`, aligned to kAlignment, not initialized. `ticket` goes back to release().
  void* allocate(size_t bytes, int64_t* ticket);
  void release(void* data, size_t bytes, int64_t ticket) noexcept;

  // Between begin and end, allocations are recorded (first run of `key`) or served from the planned arena.
  void begin_segment(const std::string& key);
  void end_segment();
  void abort_segment() noexcept;  // after an exception: forgets an unfinished recording

  size_t bytes_in_use() const { return in_use_; }
  size_t peak_bytes() const { return peak_; }

 private:
  struct SegmentPlan {
    Arena arena;
    bool recorded = false;
    int64_t events = 0;
    size_t next = 0;
  };
  void* pool_take(size_t bytes);
  void count(size_t bytes);

  Device device_;
  int device_index_;
  size_t in_use_ = 0, peak_ = 0;
  std::map<size_t, std::vector<void*>> free_;  // by size class
  std::unordered_map<std::string, std::unique_ptr<SegmentPlan>> segments_;
  std::vector<SegmentPlan*> by_number_;
  SegmentPlan* active_ = nullptr;
  int64_t active_number_ = -1;
};

// The memory of a context, made on first use.
Memory& memory_of(Context& context);

// The most bytes held so far: on cuda of the device, by tensors and scratch; elsewhere by this process.
int64_t peak_bytes(const Context& context);

}  // namespace saccade
