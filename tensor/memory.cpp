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

constexpr size_t kLarge = size_t{1} << 18;           // bytes of the blocks that a HostHeap serves
constexpr uint64_t kAllocationsBetweenTrims = 4096;  // several steps of a deep network

size_t aligned(size_t bytes) {
  return (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
}

// Size classes an eighth of a power of two apart: at most 12.5 % is wasted and similar sizes share pages.
size_t size_class(size_t bytes) {
  if (bytes <= 8 * kAlignment) return aligned(bytes);
  size_t size = kAlignment;
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
  memory_->give_block(base_, bytes_);
  memory_->in_use_ -= bytes_;
}

Memory::~Memory() {
  drop_free_blocks();
}

bool Memory::is_on_heap(size_t bytes) const {
  return bytes >= kLarge && (device_ == Device::cpu || device_ == Device::reference);
}

size_t Memory::pool_size(size_t bytes) const {
  return is_on_heap(bytes) ? aligned(bytes) : size_class(bytes);
}

HostHeap::Block Memory::take_block(size_t bytes) {
  if (!is_on_heap(bytes)) return {allocate_device_memory(device_, device_index_, bytes), false};
  const HostHeap::Block block = heap_.take(bytes);
  check(block.data != nullptr, "out of memory: ", bytes, " bytes asked for on the host, beside ", in_use_,
        " in use");
  return block;
}

void Memory::give_block(void* data, size_t bytes) noexcept {
  if (is_on_heap(bytes)) return heap_.give(data, bytes);
  free_device_memory(device_, device_index_, data);
}

void Memory::drop_free_blocks() noexcept {
  for (auto& [size, list] : free_)
    for (void* data : list) give_block(data, size);
  free_.clear();
}

void Memory::count(size_t bytes) {
  in_use_ += bytes;
  peak_ = std::max(peak_, in_use_);
}

void* Memory::pool_take(size_t bytes, Ticket* ticket) {
  std::vector<void*>* list = nullptr;
  if (const auto found = free_.find(bytes); found != free_.end() && !found->second.empty())
    list = &found->second;
  const HostHeap::Block block = list ? HostHeap::Block{list->back()} : take_block(bytes);
  if (list) list->pop_back();
  ticket->is_zero = block.is_zero;
  count(bytes);
  return block.data;
}

void* Memory::allocate(size_t bytes, Ticket* ticket) {
  *ticket = Ticket();
  if (++allocations_ % kAllocationsBetweenTrims == 0) heap_.trim();
  if (separate_buffers(device_)) {
    void* data = allocate_device_memory(device_, device_index_, bytes);
    count(size_class(bytes));
    return data;
  }
  if (!active_) return pool_take(pool_size(bytes), ticket);

  Arena& arena = *active_;
  *ticket = {active_, arena.next_++, arena.run_, !arena.planned_};
  if (!arena.planned_) {
    Arena::Block block;
    block.bytes = aligned(bytes);
    block.born = arena.events_++;
    arena.blocks_.push_back(block);
    return pool_take(pool_size(bytes), ticket);
  }
  check(
      ticket->block < arena.blocks_.size() && arena.blocks_[ticket->block].bytes == aligned(bytes),
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
  const size_t size = pool_size(bytes);
  in_use_ -= size;
  if (separate_buffers(device_)) return free_device_memory(device_, device_index_, data);
  if (is_on_heap(size)) return heap_.give(data, size);
  free_[size].push_back(data);
}

void Memory::make_room(ArenaSpace& space, size_t bytes) {
  if (bytes <= space.bytes_) return;
  drop_free_blocks();  // first those of the recorded run, which the arena replaces
  if (space.base_) {
    give_block(std::exchange(space.base_, nullptr), space.bytes_);
    in_use_ -= std::exchange(space.bytes_, 0);
  }
  ++space.generation_;
  space.base_ = take_block(bytes).data;
  if (is_on_heap(bytes)) heap_.use_huge_pages(space.base_, bytes);

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
