#include "tensor/host_heap.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <list>

#include "kernels/common/context.h"
#include "kernels/common/philox.h"
#include "tests/common/catch.h"
#include "tests/common/resident.h"

using namespace saccade;

namespace {

constexpr size_t kMiB = size_t{1} << 20;

bool holds(const void* data, size_t bytes, int value) {
  const auto* first = static_cast<const unsigned char*>(data);
  return std::all_of(first, first + bytes, [value](unsigned char byte) { return byte == value; });
}

}  // namespace

TEST_CASE("free neighbors join, and a block takes the lowest place that is large enough") {
  HostHeap heap;
  void* const a = heap.take(3 * kMiB).data;
  void* const b = heap.take(2 * kMiB).data;
  void* const c = heap.take(kMiB).data;
  void* const d = heap.take(kMiB).data;
  CHECK(reinterpret_cast<uintptr_t>(b) % kAlignment == 0);
  heap.give(b, 2 * kMiB);
  CHECK(heap.take(2 * kMiB).data == b);
  heap.give(b, 2 * kMiB);
  heap.give(a, 3 * kMiB);
  heap.give(c, kMiB);
  CHECK(heap.take(6 * kMiB).data == a);
  CHECK(heap.take(kMiB).data > d);
}

TEST_CASE("blocks do not overlap, and one that is said to be zero is") {
  struct Kept {
    unsigned char* data;
    size_t bytes;
    int value;
  };
  HostHeap heap;
  PhiloxStream random(3);
  std::list<Kept> kept;
  int zero = 0, used = 0;
  for (int step = 1; step <= 400; ++step) {
    if (step % 50 == 0) heap.trim();
    if (!kept.empty() && random.below(100) < 50) {
      const auto gone = std::next(kept.begin(), random.below(static_cast<uint32_t>(kept.size())));
      if (!holds(gone->data, gone->bytes, gone->value)) FAIL("a block was written by another");
      heap.give(gone->data, gone->bytes);
      kept.erase(gone);
      continue;
    }
    const size_t bytes = kMiB / 4 + random.below(kMiB);
    const HostHeap::Block block = heap.take(bytes);
    if (block.is_zero && !holds(block.data, bytes, 0)) FAIL("a block that was said to be zero is not");
    ++(block.is_zero ? zero : used);
    const int value = 1 + static_cast<int>(random.below(255));
    std::memset(block.data, value, bytes);
    kept.push_back({static_cast<unsigned char*>(block.data), bytes, value});
  }
  CHECK(zero > 10);
  CHECK(used > 10);
}

TEST_CASE("pages go back to the system two trims after their last use, and those in use stay") {
  HostHeap heap;
  void* const stays = heap.take(4 * kMiB).data;
  std::memset(stays, 7, 4 * kMiB);
  const size_t before = resident_bytes();
  void* const goes = heap.take(64 * kMiB).data;
  std::memset(goes, 8, 64 * kMiB);
  heap.give(goes, 64 * kMiB);
  heap.trim();
  CHECK(resident_bytes() > before + 56 * kMiB);  // the work may come again
  heap.trim();
  CHECK(resident_bytes() < before + 8 * kMiB);
  CHECK(holds(stays, 4 * kMiB, 7));
  heap.take(4 * kMiB);  // its first huge page was not given back
  const HostHeap::Block again = heap.take(32 * kMiB);
  CHECK(again.is_zero);
  CHECK(holds(again.data, 32 * kMiB, 0));
}

TEST_CASE("the pages of a stretch of work that repeats stay between trims") {
  HostHeap heap;
  size_t after = 0;
  for (int step = 0; step < 5; ++step) {
    void* const data = heap.take(64 * kMiB).data;
    if (step == 0) std::memset(data, 8, 64 * kMiB);
    CHECK(holds(data, kMiB, 8));  // the same pages
    heap.give(data, 64 * kMiB);
    heap.trim();
    if (step == 0) after = resident_bytes();
  }
  CHECK(resident_bytes() > after - 8 * kMiB);
}

TEST_CASE("a heap takes no page before its first touch and leaves none") {
  const size_t before = resident_bytes();
  {
    HostHeap heap;
    void* const data = heap.take(64 * kMiB).data;
    CHECK(resident_bytes() < before + 8 * kMiB);
    std::memset(data, 1, 64 * kMiB);
    CHECK(resident_bytes() > before + 56 * kMiB);
  }
  CHECK(resident_bytes() < before + 8 * kMiB);
}

TEST_CASE("more than the machine has is refused, and the heap goes on") {
  HostHeap heap;
  CHECK(heap.take(size_t{1} << 50).data == nullptr);
  int promises_anything = 0;
  std::ifstream("/proc/sys/vm/overcommit_memory") >> promises_anything;
  if (promises_anything != 1) CHECK(heap.take(size_t{1} << 45).data == nullptr);
  CHECK(heap.take(SIZE_MAX - 100).data == nullptr);
  const HostHeap::Block block = heap.take(kMiB);
  REQUIRE(block.data != nullptr);
  std::memset(block.data, 1, kMiB);
  heap.give(block.data, kMiB);
}
