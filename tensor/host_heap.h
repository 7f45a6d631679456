// Large blocks of the host's memory.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

namespace saccade {

// Cuts blocks out of addresses that it reserves by the gigabyte: the lowest that are free and large enough, and free
// neighbors join. So blocks of all sizes take turns on the same pages. A page exists from its first touch on; trim()
// gives back what is no longer needed, and the destructor all. AddressSanitizer sees accesses beside a block and to one
// that was given back.
class HostHeap {
 public:
  HostHeap() = default;
  ~HostHeap();
  HostHeap(const HostHeap&) = delete;
  HostHeap& operator=(const HostHeap&) = delete;

  struct Block {
    void* data = nullptr;
    bool is_zero = false;  // no block has lain here since the system gave the pages
  };
  // Aligned to kAlignment; data is null when the system has no more. give() takes the same `bytes`.
  Block take(size_t bytes);
  void give(void* data, size_t bytes) noexcept;

  // Moves a block that will be used for long to huge pages, where the system has them, so that the processor looks up
  // fewer. It takes longer than the first touch of small pages.
  void use_huge_pages(void* data, size_t bytes) noexcept;

  // Gives the pages back that lie above all blocks since the last trim. Called at long intervals it leaves a repeated
  // stretch of work its pages.
  void trim() noexcept;

 private:
  struct Region {
    char* base = nullptr;
    size_t size = 0;                // reserved
    size_t open = 0;                // up to here it may be touched
    size_t fresh = 0;               // from here on no block has lain since the system gave the pages
    size_t high = 0;                // the end of the highest block since the last trim
    std::map<size_t, size_t> free;  // begin -> bytes
  };
  bool reserve(size_t bytes);
  static bool open_up_to(Region& region, size_t end);

  std::vector<Region>
      regions_;  // one, unless the machine's memory is not enough for the holes between blocks
};

}  // namespace saccade
