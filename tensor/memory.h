// The memory that the tensors of one context live in: a pool that keeps what is used again, and arenas that give a
// repeated sequence of allocations the same addresses again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "kernels/common/context.h"
#include "tensor/host_heap.h"

namespace saccade {

class Arena;
struct Storage;  // tensor/tensor.h

// The tensors made outside that a stretch of work reads or writes, and those of them that it writes.
struct Uses {
  std::map<const Storage*, std::weak_ptr<Storage>> used, written;
};

// The bytes that arenas are served from. Arenas that never live at the same time may share one: it is as large as the
// largest of them.
class ArenaSpace {
 public:
  explicit ArenaSpace(std::shared_ptr<Memory> memory) : memory_(std::move(memory)) {}
  ~ArenaSpace();
  ArenaSpace(const ArenaSpace&) = delete;
  ArenaSpace& operator=(const ArenaSpace&) = delete;

  size_t bytes() const { return bytes_; }
  uint64_t generation() const {
    return generation_;
  }  // changes when the bytes move: addresses from before are void

 private:
  friend class Memory;
  std::shared_ptr<Memory> memory_;
  void* base_ = nullptr;
  size_t bytes_ = 0;
  uint64_t generation_ = 0;
  std::weak_ptr<Arena> last_;  // the one that was served last
};

// An arena planned from one recorded run of a stretch of work. The i-th allocation of every later run is served at the
// offset planned for the i-th allocation of the recorded one; two allocations share bytes only if the recorded run
// freed the first before it made the second.
class Arena {
 public:
  explicit Arena(std::shared_ptr<ArenaSpace> space) : space_(std::move(space)) {}

  int64_t run() const { return run_; }  // how often the work ran or was replayed

 private:
  friend class Memory;
  struct Block {
    size_t bytes = 0;
    int64_t born = 0, died = INT64_MAX;  // in events of the recorded run
    size_t offset = 0;
    std::vector<int> overlaps;  // earlier blocks that share bytes
    int64_t held_by = 0;        // the run whose tensor lives here; 0: none does
  };
  void plan();  // fills offsets and overlaps: largest first, lowest offset that is free for the lifetime
  bool is_free() const;

  std::shared_ptr<ArenaSpace> space_;
  std::vector<Block> blocks_;
  size_t bytes_ = 0;
  bool planned_ = false;
  int64_t events_ = 0;
  int64_t run_ = 0;  // counted from 1
  size_t next_ = 0;  // the block that the next allocation of this run gets
};

// The pool hands a block that a tensor left to the next one of its size class. On the CPU this goes for small blocks;
// large ones are cut from a HostHeap, where blocks of all sizes share pages, and what was not needed for some thousands
// of allocations goes back to the system.
class Memory {
 public:
  Memory(Device device, int device_index) : device_(device), device_index_(device_index) {}
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // Who owns an allocation: the pool, or a block of an arena in one of its runs.
  struct Ticket {
    std::shared_ptr<Arena> arena;
    size_t block = 0;
    int64_t run = 0;
    bool pooled = true;    // also in the recorded run of an arena
    bool is_zero = false;  // the bytes are known to be zero
  };

  // Memory of at least `bytes`, aligned to kAlignment, not initialized. `ticket` is passed to release(). Error when the
  // device has no more.
  void* allocate(size_t bytes, Ticket* ticket);
  void release(void* data, size_t bytes, const Ticket& ticket) noexcept;

  // Between begin and end, allocations are recorded (first run of the arena) or served from its plan.
  void begin(const std::shared_ptr<Arena>& arena);
  void end();
  void abort() noexcept;  // after an exception: forgets an unfinished recording

  // A planned arena takes over the bytes of its space, as begin() does: for work that replays without allocating. Error
  // if a tensor still lives in another arena of the space.
  void claim(const std::shared_ptr<Arena>& arena);

  // While `uses` is set, the tensors that are touched and do not lie in the active arena are noted there.
  void note_uses(Uses* uses) { uses_ = uses; }
  void note_use(const std::shared_ptr<Storage>& storage) {
    if (uses_) note(storage, uses_->used);
  }
  void note_write(const std::shared_ptr<Storage>& storage) {
    if (uses_) note(storage, uses_->written);
  }

  size_t bytes_in_use() const { return in_use_; }
  size_t peak_bytes() const { return peak_; }

 private:
  friend class ArenaSpace;
  bool is_on_heap(size_t bytes) const;
  size_t pool_size(size_t bytes) const;  // of the block that a tensor of `bytes` gets
  void* pool_take(size_t bytes, Ticket* ticket);
  HostHeap::Block take_block(size_t bytes);
  void give_block(void* data, size_t bytes) noexcept;
  void drop_free_blocks() noexcept;
  void make_room(ArenaSpace& space, size_t bytes);
  void count(size_t bytes);
  void note(const std::shared_ptr<Storage>& storage, std::map<const Storage*, std::weak_ptr<Storage>>& where);

  Device device_;
  int device_index_;
  size_t in_use_ = 0, peak_ = 0;
  HostHeap heap_;
  std::map<size_t, std::vector<void*>> free_;  // by size class
  uint64_t allocations_ = 0;
  std::shared_ptr<Arena> active_;
  Uses* uses_ = nullptr;
};

// The memory of a context, made on first use.
Memory& memory_of(Context& context);

// The most bytes held so far: on cuda of the device, by tensors and scratch; elsewhere by this process.
int64_t peak_bytes(const Context& context);

}  // namespace saccade
