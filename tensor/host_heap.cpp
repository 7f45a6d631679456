#include "tensor/host_heap.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(data, bytes) static_cast<void>(0)
#define ASAN_UNPOISON_MEMORY_REGION(data, bytes) static_cast<void>(0)
#endif

#include "kernels/common/context.h"

namespace saccade {

namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kOpened = size_t{64} << 20;  // addresses that become usable at a time

size_t rounded_up(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

// Between blocks lies a gap that nobody may touch.
size_t with_gap(size_t bytes) {
  return rounded_up(bytes + 1, kAlignment);
}

size_t memory_of_this_machine() {
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

HostHeap::~HostHeap() {
  for (const Region& region : regions_) {
    ASAN_UNPOISON_MEMORY_REGION(region.base, region.open);
    munmap(region.base, region.size);
  }
}

// Addresses that nobody may touch yet cost nothing: as many as the machine has memory, so that one region is enough
// whatever holes there are, or fewer where the process has a limit of them.
bool HostHeap::reserve(size_t bytes) {
  const size_t least = rounded_up(bytes, kHugePage) + kHugePage;
  size_t size = std::max(least, memory_of_this_machine());
  void* data = MAP_FAILED;
  while ((data = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) == MAP_FAILED) {
    if (size == least) return false;
    size = std::max(least, size / 2);
  }
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(data) % kHugePage) % kHugePage;
  if (before > 0) munmap(data, before);
  Region& region = regions_.emplace_back();
  region.base = static_cast<char*>(data) + before;
  region.size = size - before;
  region.free[0] = region.size;

  return true;
}

bool HostHeap::open_up_to(Region& region, size_t end) {
  if (end <= region.open) return true;
  const size_t open = std::min(region.size, rounded_up(end, kOpened));
  if (mprotect(region.base + region.open, open - region.open, PROT_READ | PROT_WRITE) != 0) return false;
  region.open = open;
  return true;
}

HostHeap::Block HostHeap::take(size_t bytes) {
  if (bytes > SIZE_MAX / 2) return {};
  const size_t size = with_gap(bytes);
  const auto fits = [size](const auto& range) { return range.second >= size; };
  auto region = regions_.begin();
  std::map<size_t, size_t>::iterator range;
  for (; region != regions_.end(); ++region)
    if (range = std::find_if(region->free.begin(), region->free.end(), fits); range != region->free.end())
      break;
  if (region == regions_.end()) {
    if (!reserve(size)) return {};
    region = std::prev(regions_.end());
    range = region->free.begin();
  }
  const auto [begin, available] = *range;
  const size_t end = begin + size;
  if (!open_up_to(*region, end)) return {};
  region->free.erase(range);
  if (available > size) region->free[end] = available - size;
  const Block block{region->base + begin, begin >= region->fresh};
  region->fresh = std::max(region->fresh, end);
  region->high = std::max(region->high, end);
  ASAN_UNPOISON_MEMORY_REGION(block.data, bytes);
  ASAN_POISON_MEMORY_REGION(region->base + begin + bytes, size - bytes);
  return block;
}

void HostHeap::give(void* data, size_t bytes) noexcept {
  const auto address = reinterpret_cast<uintptr_t>(data);
  const auto region = std::find_if(regions_.begin(), regions_.end(), [address](const Region& r) {
    return address - reinterpret_cast<uintptr_t>(r.base) < r.size;
  });
  const size_t begin = address - reinterpret_cast<uintptr_t>(region->base);
  ASAN_POISON_MEMORY_REGION(data, with_gap(bytes));
  auto& free = region->free;
  const auto range = free.emplace(begin, with_gap(bytes)).first;
  if (const auto next = std::next(range); next != free.end() && begin + range->second == next->first) {
    range->second += next->second;
    free.erase(next);
  }
  if (range == free.begin()) return;
  if (const auto before = std::prev(range); before->first + before->second == begin) {
    before->second += range->second;
    free.erase(range);
  }
}

void HostHeap::use_huge_pages(void* data, size_t bytes) noexcept {
#ifdef MADV_COLLAPSE
  const size_t begin = rounded_up(reinterpret_cast<uintptr_t>(data), kHugePage);
  const size_t end = (reinterpret_cast<uintptr_t>(data) + bytes) / kHugePage * kHugePage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_COLLAPSE);
#else
  static_cast<void>(data), static_cast<void>(bytes);
#endif
}

void HostHeap::trim() noexcept {
  for (Region& region : regions_) {
    const size_t keep = rounded_up(region.high, kHugePage);
    if (keep < region.fresh && madvise(region.base + keep, region.fresh - keep, MADV_DONTNEED) == 0)
      region.fresh = keep;
    region.high = region.size;  // or lower, where free memory reaches the end
    if (region.free.empty()) continue;
    const auto [begin, bytes] = *std::prev(region.free.end());
    if (begin + bytes == region.size) region.high = begin;
  }
}

}  // namespace saccade
