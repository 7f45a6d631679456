#include "tensor/memory.h"

#include <sys/resource.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "kernels/common/device.h"
#include "kernels/simt/memory.h"
#include "tensor/tensor.h"

namespace saccade {

namespace {
// Size classes an eighth of a power of two apart: at most 12.5 % is wasted and similar sizes share pages.
size_t size_class(size_t bytes) {
  size_t size = kAlignment;
  if (bytes <= 8 * kAlignment) return std::max(size, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  while (size < bytes) size *= 2;
  const size_t step = std::max(size / 16, kAlignment);
  return (bytes + step - 1) / step * step;
}

}  // namespace

void Arena::plan() {
  std::vector<int> order(blocks_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return blocks_[static_cast<size_t>(a)].bytes > blocks_[static_cast<size_t>(b)].bytes;
  });
  std::vector<int> placed;
  for (int index : order) {
    Block& block = blocks_[static_cast<size_t>(index)];
    std::vector<const Block*> busy;  // placed blocks that live at the same time, by offset
    for (int other : placed) {
      const Block& o = blocks_[static_cast<size_t>(other)];
      if (o.born < block.died && block.born < o.died) busy.push_back(&o);
    }
    std::sort(busy.begin(), busy.end(), [](const Block* a, const Block* b) { return a->offset < b->offset; });
    size_t offset = 0;
    for (const Block* o : busy) {
      if (o->offset >= offset + block.bytes) break;
      offset = std::max(offset, o->offset + o->bytes);
    }
    block.offset = offset;
    bytes_ = std::max(bytes_, offset + block.bytes);
    placed.push_back(index);
  }
  for (size_t i = 0; i < blocks_.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (blocks_[j].offset < blocks_[i].offset + blocks_[i].bytes &&
          blocks_[i].offset < blocks_[j].offset + blocks_[j].bytes)
        blocks_[i].overlaps.push_back(static_cast<int>(j));
  planned_ = true;
}

bool Arena::is_free() const {
  return std::all_of(blocks_.begin(), blocks_.end(), [](const Block& block) { return block.held_by == 0; });
}

// Here and below: a device gives memory back only when all that it was given to do is done, so nothing
// reads it any more.
ArenaSpace::~ArenaSpace() {
  if (!base_) return;
  free_device_memory(memory_->device_, memory_->device_index_, base_);
  memory_->in_use_ -= bytes_;
}

Memory::~Memory() {
  drop_free_pages();
}

void Memory::drop_free_pages() noexcept {
  for (auto& [size, list] : free_)
    for (void* data : list) free_device_memory(device_, device_index_, data);
  free_.clear();
}

void Memory::count(size_t bytes) {
  in_use_ += bytes;
  peak_ = std::max(peak_, in_use_);
}

void* Memory::pool_take(size_t bytes) {
  count(bytes);
  auto found = free_.find(bytes);
  if (found != free_.end() && !found->second.empty()) {
    void* data = found->second.back();
    found->second.pop_back();
    return data;
  }
  return allocate_device_memory(device_, device_index_, bytes);
}

void* Memory::allocate(size_t bytes, Ticket* ticket) {
  const size_t rounded = size_class(bytes);
  *ticket = Ticket();
  if (separate_buffers(device_)) {
    count(rounded);
    return allocate_device_memory(device_, device_index_, bytes);
  }
  if (!active_) return pool_take(rounded);

  Arena& arena = *active_;
  *ticket = {active_, arena.next_++, arena.run_, !arena.planned_};
  if (!arena.planned_) {
    Arena::Block block;
    block.bytes = rounded;
    block.born = arena.events_++;
    arena.blocks_.push_back(block);
    return pool_take(rounded);
  }
  check(
      ticket->block < arena.blocks_.size() && arena.blocks_[ticket->block].bytes == rounded,
      "a segment asked for other memory than when it was recorded: its key must name every shape and switch");
  Arena::Block& block = arena.blocks_[ticket->block];
  for (int other : block.overlaps)
    check(arena.blocks_[static_cast<size_t>(other)].held_by == 0,
          "a tensor of a segment is kept longer than when the segment was recorded");
  block.held_by = arena.run_;
  return static_cast<char*>(arena.space_->base_) + block.offset;
}

void Memory::release(void* data, size_t bytes, const Ticket& ticket) noexcept {
  if (ticket.arena && ticket.block < ticket.arena->blocks_.size()) {
    Arena& arena = *ticket.arena;
    Arena::Block& block = arena.blocks_[ticket.block];
    if (!arena.planned_ && ticket.run == arena.run_) block.died = arena.events_++;
    if (block.held_by == ticket.run) block.held_by = 0;  // else a later run's tensor lives there by now
  }
  if (!ticket.pooled) return;
  const size_t rounded = size_class(bytes);
  in_use_ -= rounded;
  if (separate_buffers(device_)) return free_device_memory(device_, device_index_, data);
  free_[rounded].push_back(data);
}

void Memory::make_room(ArenaSpace& space, size_t bytes) {
  if (bytes <= space.bytes_) return;
  drop_free_pages();  // first those of the recorded run, which the arena replaces
  if (space.base_) {
    free_device_memory(device_, device_index_, std::exchange(space.base_, nullptr));
    in_use_ -= std::exchange(space.bytes_, 0);
  }
  ++space.generation_;
  space.base_ = allocate_device_memory(device_, device_index_, bytes);
  space.bytes_ = bytes;
  count(bytes);
}

void Memory::note(const std::shared_ptr<Storage>& storage,
                  std::map<const Storage*, std::weak_ptr<Storage>>& where) {
  if (storage->ticket.arena != active_) where.emplace(storage.get(), storage);
}

void Memory::claim(const std::shared_ptr<Arena>& arena) {
  ++arena->run_;
  if (!arena->planned_ || separate_buffers(device_)) return;
  ArenaSpace& space = *arena->space_;
  const std::shared_ptr<Arena> last = space.last_.lock();
  check(!last || last == arena || last->is_free(),
        "a tensor of a segment is kept while another stretch of work takes its memory: copy it, or give the "
        "two "
        "segments memory of their own");
  make_room(space, arena->bytes_);
  space.last_ = arena;
}

void Memory::begin(const std::shared_ptr<Arena>& arena) {
  check(!active_, "segments do not nest");
  claim(arena);
  arena->next_ = 0;
  active_ = arena;
}

void Memory::end() {
  check(active_ != nullptr, "no segment is open");
  Arena& arena = *std::exchange(active_, nullptr);
  const bool complete = separate_buffers(device_) || !arena.planned_ || arena.next_ == arena.blocks_.size();
  if (!arena.planned_) arena.plan();
  check(complete,
        "a segment asked for less memory than when it was recorded: its key must name every switch");
}

void Memory::abort() noexcept {
  if (!active_) return;
  Arena& arena = *std::exchange(active_, nullptr);
  if (arena.planned_) return;
  arena.blocks_.clear();
  arena.events_ = 0;
}

Memory& memory_of(Context& context) {
  if (!context.memory) context.memory = std::make_shared<Memory>(context.device(), context.device_index());
  return *context.memory;
}

int64_t peak_bytes(const Context& context) {
  if (context.device() == Device::cuda)
    return static_cast<int64_t>((context.memory ? context.memory->peak_bytes() : 0) +
                                context.scratch_bytes());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace saccade
