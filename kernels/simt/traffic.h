// Counts what kernels ask of memory. They are compiled with -fsanitize=thread and linked with traffic.cpp in
// place of the sanitizer's runtime, so that each load and store calls us with its address; load<16> and
// store<16> report themselves.
//
// Requests: the n-th visit of a warp's lanes to an instruction is one request. In global memory it costs as
// many sectors (32 bytes) as it touches. In shared memory it costs as many passes as the fullest of the 32
// banks (of 4 bytes) holds different words; 16-byte accesses go in quarters of a warp and 8-byte ones in
// halves, as on the hardware.
//
// Bytes moved: a cache of kCacheBytes lies in front of all memory and evicts the least recently used sector.
// Blocks run one after the other in the order of their numbers, and the warps of a block take turns, one
// request in each. A read moves 32 bytes when its sector is not in the cache; a written sector moves 32 bytes
// when it leaves, at the latest at the end of the measurement. If the tensors are many times kCacheBytes,
// this has the proportions of a GPU whose tensors are many times its second-level cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace saccade::simt {

constexpr size_t kSectorBytes = 32;
constexpr size_t kCacheBytes = size_t{256} << 10;

struct Counts {
  // Global memory; least_sectors: the sectors if all bytes of a request lay side by side.
  uint64_t requests = 0, sectors = 0, least_sectors = 0;
  uint64_t shared_requests = 0, passes = 0, least_passes = 0;
  Counts& operator+=(const Counts& other) {
    requests += other.requests;
    sectors += other.sectors;
    least_sectors += other.least_sectors;
    shared_requests += other.shared_requests;
    passes += other.passes;
    least_passes += other.least_passes;
    return *this;
  }
  double sectors_per_request() const {
    return requests ? static_cast<double>(sectors) / static_cast<double>(requests) : 0;
  }
  // At best 1: no more sectors than the bytes of a request fill, and no more passes than its lanes need.
  double coalescing() const {
    return sectors ? static_cast<double>(least_sectors) / static_cast<double>(sectors) : 1;
  }
  double conflicts() const {
    return least_passes ? static_cast<double>(passes) / static_cast<double>(least_passes) : 1;
  }
};

struct KernelTraffic {
  std::string launch;  // file:line of the launch
  uint64_t launches = 0, moved = 0;
  Counts counts;
  // The counts of each instruction; addr2line finds its line by the address.
  std::vector<std::pair<const void*, Counts>> instructions;
};

struct Traffic {
  uint64_t moved = 0;  // bytes, by the cache model
  // Bytes of the different sectors that were read before they were written, plus of those that were written.
  uint64_t touched = 0;
  std::vector<KernelTraffic> kernels;
};

// All that runs on simt between the two is measured; copies and fills outside of kernels only if `copies`.
void begin_traffic(bool copies = true);
Traffic end_traffic();

namespace traffic_detail {  // called by the executor and the device
void begin_launch(const char* file, int line, unsigned threads);
void end_block();
struct Range {
  const void* begin;
  size_t bytes;
};
// The thread's registers lie on its stack, and where an exchange leaves what the thread receives.
void begin_thread(unsigned thread, Range stack, Range received);
void pause();  // the accesses that follow are the scheduler's
// A copy on the device outside of kernels; a fill if `from` is null.
void copied(const void* to, const void* from, size_t bytes);
}  // namespace traffic_detail

}  // namespace saccade::simt
