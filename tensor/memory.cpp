#include "tensor/memory.h"

#include <sys/resource.h>

#include <algorithm>
#include <numeric>

#include "kernels/common/device.h"
#include "kernels/simt/memory.h"

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

// A ticket says who owns the bytes: the pool (-1), or block `index` of segment `number`.
constexpr int64_t kPool = -1;
int64_t ticket_of(int64_t number, size_t index) {
  return number << 32 | static_cast<int64_t>(index);
}
}  // namespace

void Arena::plan() {
  std::vector<int> order(blocks.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return blocks[static_cast<size_t>(a)].bytes > blocks[static_cast<size_t>(b)].bytes;
  });
  std::vector<int> placed;
  for (int index : order) {
    Block& block = blocks[static_cast<size_t>(index)];
    std::vector<const Block*> busy;  // placed blocks that live at the same time, by offset
    for (int other : placed) {
      const Block& o = blocks[static_cast<size_t>(other)];
      if (o.born < block.died && block.born < o.died) busy.push_back(&o);
    }
    std::sort(busy.begin(), busy.end(), [](const Block* a, const Block* b) { return a->offset < b->offset; });
    size_t offset = 0;
    for (const Block* o : busy) {
      if (o->offset >= offset + block.bytes) break;
      offset = std::max(offset, o->offset + o->bytes);
    }
    block.offset = offset;
    bytes = std::max(bytes, offset + block.bytes);
    placed.push_back(index);
  }
  for (size_t i = 0; i < blocks.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (blocks[j].offset < blocks[i].offset + blocks[i].bytes &&
          blocks[i].offset < blocks[j].offset + blocks[j].bytes)
        blocks[i].overlaps.push_back(static_cast<int>(j));
}

Memory::~Memory() {
  for (auto& [size, list] : free_)
    for (void* data : list) free_device_memory(device_, device_index_, data);
  for (auto& [key, segment] : segments_)
    if (segment->arena.base) free_device_memory(device_, device_index_, segment->arena.base);
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

void* Memory::allocate(size_t bytes, int64_t* ticket) {
  const size_t rounded = size_class(bytes);
  *ticket = kPool;
  if (separate_buffers(device_)) {
    count(rounded);
    return allocate_device_memory(device_, device_index_, bytes);
  }
  if (!active_) return pool_take(rounded);

  SegmentPlan& segment = *active_;
  const size_t index = segment.next++;
  *ticket = ticket_of(active_number_, index);
  if (!segment.recorded) {
    Arena::Block block;
    block.bytes = rounded;
    block.born = segment.events++;
    block.live = true;
    segment.arena.blocks.push_back(block);
    return pool_take(rounded);
  }
  check(
      index < segment.arena.blocks.size() && segment.arena.blocks[index].bytes == rounded,
      "a segment asked for other memory than when it was recorded: its key must name every shape and switch");
  Arena::Block& block = segment.arena.blocks[index];
  for (int other : block.overlaps)
    check(!segment.arena.blocks[static_cast<size_t>(other)].live,
          "a tensor of a segment is kept longer than when the segment was recorded");
  block.live = true;
  return static_cast<char*>(segment.arena.base) + block.offset;
}

void Memory::release(void* data, size_t bytes, int64_t ticket) noexcept {
  if (ticket != kPool) {
    SegmentPlan& segment = *by_number_[static_cast<size_t>(ticket >> 32)];
    const auto index = static_cast<size_t>(ticket & 0xffffffff);
    if (index < segment.arena.blocks.size()) {
      Arena::Block& block = segment.arena.blocks[index];
      block.live = false;
      const auto at = static_cast<const char*>(data) - static_cast<const char*>(segment.arena.base);
      if (segment.arena.base && at >= 0 && static_cast<size_t>(at) < segment.arena.bytes) return;
      if (!segment.recorded) block.died = segment.events++;
    }
  }
  const size_t rounded = size_class(bytes);
  in_use_ -= rounded;
  if (separate_buffers(device_)) return free_device_memory(device_, device_index_, data);
  free_[rounded].push_back(data);
}

void Memory::begin_segment(const std::string& key) {
  check(!active_, "segments do not nest");
  auto& slot = segments_[key];
  if (!slot) {
    slot = std::make_unique<SegmentPlan>();
    by_number_.push_back(slot.get());
  }
  active_ = slot.get();
  active_number_ = std::find(by_number_.begin(), by_number_.end(), active_) - by_number_.begin();
  active_->next = 0;
  if (active_->recorded && !active_->arena.base && !separate_buffers(device_)) {
    // The pages of the recorded run go back first: the arena replaces them.
    for (auto& [size, list] : free_)
      for (void* data : list) free_device_memory(device_, device_index_, data);
    free_.clear();
    active_->arena.base = allocate_device_memory(device_, device_index_, active_->arena.bytes);
    count(active_->arena.bytes);
  }
}

void Memory::end_segment() {
  check(active_ != nullptr, "no segment is open");
  SegmentPlan& segment = *active_;
  const bool complete =
      separate_buffers(device_) || !segment.recorded || segment.next == segment.arena.blocks.size();
  if (!segment.recorded) {
    segment.arena.plan();
    segment.recorded = true;
  }
  active_ = nullptr;
  check(complete,
        "a segment asked for less memory than when it was recorded: its key must name every switch");
}

void Memory::abort_segment() noexcept {
  if (active_ && !active_->recorded) active_->arena.blocks.clear();
  if (active_) active_->events = 0;
  active_ = nullptr;
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
