// What a kernel asks of memory, counted. The kernels are compiled with -fsanitize=thread and linked with
// traffic.cpp in place of the sanitizer's runtime, so that each load and store calls us with its address;
// load<16> and store<16> report themselves.
//
// Requests: the n-th time that the lanes of a warp come to one instruction is one request. Of global memory
// it costs as many sectors (32 bytes) as it touches; of shared memory, as many passes as the fullest of the
// 32 banks (4 bytes wide) holds different words, 16-byte accesses in quarters of a warp and 8-byte ones in
// halves, as the hardware does.
//
// Bytes moved: a cache of kCacheBytes in sectors, least recently used out first, in front of all memory.
// Blocks run one after the other in the order of their numbers, and the warps of a block take turns, a
// request each. A read moves 32 bytes when its sector is not there; a written sector moves 32 bytes when it
// leaves, at the end of the measurement at the latest. It has the proportions of a GPU whose tensors are many
// times its second-level cache when the tensors are many times kCacheBytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace saccade::simt {

constexpr size_t kSectorBytes = 32;
constexpr size_t kCacheBytes = size_t{256} << 10;

struct Counts {
  uint64_t requests = 0, sectors = 0,
           least_sectors = 0;  // global; least: if the lanes' bytes lay side by side
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
  // 1: every byte that was fetched was asked for, and every pass was full.
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
  // By instruction: its address in the program, for addr2line.
  std::vector<std::pair<const void*, Counts>> instructions;
};

struct Traffic {
  uint64_t moved = 0;  // bytes, by the cache model
  uint64_t touched =
      0;  // bytes of the different sectors that were read before they were written, and written
  std::vector<KernelTraffic> kernels;
};

// Everything that runs on simt between the two is measured; copies and fills that no kernel makes where
// `copies` says so.
void begin_traffic(bool copies = true);
Traffic end_traffic();

namespace traffic_detail {  // the executor's and the device's calls
void begin_launch(const char* file, int line, unsigned threads);
void end_block();
struct Range {
  const void* begin;
  size_t bytes;
};
// Its registers lie on its stack, and where an exchange of its warp leaves what it receives.
void begin_thread(unsigned thread, Range stack, Range received);
void pause();  // the scheduler's own accesses
void copied(const void* to, const void* from,
            size_t bytes);  // on the device, by no kernel; from null: filled
}  // namespace traffic_detail

}  // namespace saccade::simt
