#include "kernels/simt/traffic.h"

#ifdef SACCADE_SIMT_TRAFFIC

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <list>
#include <map>
#include <unordered_map>

#include "kernels/common/error.h"
#include "kernels/simt/simt.h"

extern "C" char __start_simt_shared[], __stop_simt_shared[];

namespace saccade::simt {

namespace {

constexpr unsigned kLanes = 32;

struct Access {
  const void* instruction;
  uintptr_t address;
  uint32_t occurrence;  // how often this thread had come to the instruction before
  uint16_t lane;
  uint8_t bytes;
  bool write;
};

// Sectors, the least recently used first.
class Cache {
 public:
  void read(uintptr_t sector) { touch(sector, false); }
  void write(uintptr_t sector) { touch(sector, true); }
  uint64_t moved() const { return moved_; }
  void flush() {
    for (const Entry& entry : order_) moved_ += entry.dirty ? kSectorBytes : 0;
    order_.clear();
    places_.clear();
  }

 private:
  struct Entry {
    uintptr_t sector;
    bool dirty;
  };
  void touch(uintptr_t sector, bool write) {
    const auto found = places_.find(sector);
    if (found != places_.end()) {
      found->second->dirty |= write;
      order_.splice(order_.end(), order_, found->second);
      return;
    }
    if (!write) moved_ += kSectorBytes;
    if (order_.size() == kCacheBytes / kSectorBytes) {
      moved_ += order_.front().dirty ? kSectorBytes : 0;
      places_.erase(order_.front().sector);
      order_.pop_front();
    }
    order_.push_back({sector, write});
    places_[sector] = std::prev(order_.end());
  }
  std::list<Entry> order_;
  std::unordered_map<uintptr_t, std::list<Entry>::iterator> places_;
  uint64_t moved_ = 0;
};

struct Measurement {
  Cache cache;
  std::unordered_map<uintptr_t, unsigned> touched;  // sector: 1 read first, 2 written
  struct Kernel {
    uint64_t launches = 0, moved = 0;
    std::map<const void*, Counts> instructions;
  };
  std::map<std::string, Kernel> kernels;
};

Measurement* measurement = nullptr;
Measurement::Kernel* kernel = nullptr;
std::vector<std::vector<Access>> warps;
std::vector<std::unordered_map<const void*, uint32_t>> visits;  // by thread
constexpr unsigned kNobody = ~0u;
unsigned running = kNobody;
uintptr_t stack_begin = 0, stack_end = 0;  // of the running thread
uintptr_t host_stack = 0;  // the kernel's parameters lie there: constant memory on a GPU

bool is_shared(uintptr_t address) {
  return address >= reinterpret_cast<uintptr_t>(__start_simt_shared) &&
         address < reinterpret_cast<uintptr_t>(__stop_simt_shared);
}

void record(const void* instruction, void* at, unsigned bytes, bool write) {
  if (running == kNobody) return;
  const auto address = reinterpret_cast<uintptr_t>(at);
  // A thread's own stack is its registers.
  if (address >= stack_begin && address < stack_end) return;
  if (address + (size_t{64} << 10) >= host_stack && address < host_stack + (size_t{64} << 10)) return;
  for (const void* index : {static_cast<const void*>(&threadIdx), static_cast<const void*>(&blockIdx),
                            static_cast<const void*>(&blockDim), static_cast<const void*>(&gridDim)})
    if (address - reinterpret_cast<uintptr_t>(index) < sizeof(dim3)) return;  // special registers
  const unsigned thread = running;
  warps[thread / kLanes].push_back({instruction, address, visits[thread][instruction]++,
                                    static_cast<uint16_t>(thread % kLanes), static_cast<uint8_t>(bytes), write});
}

// How often the banks are gone through for the words that one group of lanes asks for.
unsigned passes_of(const Access* begin, const Access* end) {
  std::array<std::vector<uintptr_t>, 32> words;
  for (const Access* access = begin; access != end; ++access)
    for (uintptr_t word = access->address / 4; word * 4 < access->address + access->bytes; ++word) {
      auto& bank = words[word % 32];
      if (std::find(bank.begin(), bank.end(), word) == bank.end()) bank.push_back(word);
    }
  size_t most = 0;
  for (const auto& bank : words) most = std::max(most, bank.size());
  return static_cast<unsigned>(most);
}

void count_shared(Counts& counts, const Access* begin, const Access* end) {
  ++counts.shared_requests;
  const unsigned lanes = begin->bytes == 16 ? 8 : begin->bytes == 8 ? 16 : 32;
  while (begin != end) {
    const Access* part = begin;
    while (part != end && part->lane / lanes == begin->lane / lanes) ++part;
    counts.passes += passes_of(begin, part);
    ++counts.least_passes;
    begin = part;
  }
}

void count_global(Counts& counts, const Access* begin, const Access* end) {
  std::vector<uintptr_t> sectors, words;
  for (const Access* access = begin; access != end; ++access)
    for (uintptr_t byte = access->address; byte < access->address + access->bytes; ++byte) {
      words.push_back(byte);
      sectors.push_back(byte / kSectorBytes);
    }
  const auto unique = [](std::vector<uintptr_t>& list) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  };
  unique(words);
  unique(sectors);
  ++counts.requests;
  counts.sectors += sectors.size();
  counts.least_sectors += (words.size() + kSectorBytes - 1) / kSectorBytes;
  for (const uintptr_t sector : sectors) {
    if (begin->write) {
      measurement->cache.write(sector);
      measurement->touched[sector] |= 2u;
    } else {
      measurement->cache.read(sector);
      unsigned& seen = measurement->touched[sector];
      if (!(seen & 2u)) seen |= 1u;
    }
  }
}

}  // namespace

void begin_traffic() {
  delete measurement;
  measurement = new Measurement;
}

Traffic end_traffic() {
  check(measurement != nullptr, "no traffic is being measured");
  Traffic traffic;
  measurement->cache.flush();
  traffic.moved = measurement->cache.moved();
  for (const auto& [sector, seen] : measurement->touched)
    traffic.touched += kSectorBytes * static_cast<unsigned>(std::popcount(seen));
  for (const auto& [launch, counted] : measurement->kernels) {
    KernelTraffic row;
    row.launch = launch;
    row.launches = counted.launches;
    row.moved = counted.moved;
    for (const auto& [instruction, counts] : counted.instructions) {
      row.instructions.emplace_back(instruction, counts);
      row.counts.requests += counts.requests;
      row.counts.sectors += counts.sectors;
      row.counts.least_sectors += counts.least_sectors;
      row.counts.shared_requests += counts.shared_requests;
      row.counts.passes += counts.passes;
      row.counts.least_passes += counts.least_passes;
    }
    traffic.kernels.push_back(row);
  }
  delete measurement;
  measurement = nullptr;
  return traffic;
}

namespace traffic_detail {

void begin_launch(const char* file, int line, unsigned threads) {
  if (!measurement) return;
  const char* name = std::strstr(file, "kernels/");
  kernel = &measurement->kernels[concat(name ? name : file, ":", line)];
  ++kernel->launches;
  host_stack = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  warps.assign((threads + kLanes - 1) / kLanes, {});
  visits.assign(threads, {});
}

// Requests in the order of their instructions' visits, a warp after the other.
void end_block() {
  running = kNobody;
  if (!measurement) return;
  const uint64_t before = measurement->cache.moved();
  for (auto& accesses : warps) {
    std::stable_sort(accesses.begin(), accesses.end(), [](const Access& a, const Access& b) {
      if (a.occurrence != b.occurrence) return a.occurrence < b.occurrence;
      if (a.instruction != b.instruction) return a.instruction < b.instruction;
      return a.lane < b.lane;
    });
    for (size_t i = 0; i < accesses.size();) {
      size_t end = i;
      while (end < accesses.size() && accesses[end].occurrence == accesses[i].occurrence &&
             accesses[end].instruction == accesses[i].instruction)
        ++end;
      Counts& counts = kernel->instructions[accesses[i].instruction];
      (is_shared(accesses[i].address) ? count_shared : count_global)(counts, &accesses[i], accesses.data() + end);
      i = end;
    }
    accesses.clear();
  }
  for (auto& of_thread : visits) of_thread.clear();
  kernel->moved += measurement->cache.moved() - before;
}

void begin_thread(unsigned thread, const void* stack, size_t stack_bytes) {
  running = measurement ? thread : kNobody;
  stack_begin = reinterpret_cast<uintptr_t>(stack);
  stack_end = stack_begin + stack_bytes;
}
void pause() { running = kNobody; }

}  // namespace traffic_detail

}  // namespace saccade::simt

// --- What the instrumentation calls ---

using saccade::simt::record;

#define SACCADE_ACCESS(name, bytes, write) \
  extern "C" void name(void* at) { record(__builtin_return_address(0), at, bytes, write); }
#define SACCADE_ACCESSES(bytes)                                      \
  SACCADE_ACCESS(__tsan_read##bytes, bytes, false)                   \
  SACCADE_ACCESS(__tsan_write##bytes, bytes, true)                   \
  SACCADE_ACCESS(__tsan_unaligned_read##bytes, bytes, false)         \
  SACCADE_ACCESS(__tsan_unaligned_write##bytes, bytes, true)
SACCADE_ACCESSES(1)
SACCADE_ACCESSES(2)
SACCADE_ACCESSES(4)
SACCADE_ACCESSES(8)
SACCADE_ACCESSES(16)

extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
void* __tsan_memcpy(void* to, const void* from, size_t bytes) { return std::memcpy(to, from, bytes); }
void* __tsan_memset(void* to, int value, size_t bytes) { return std::memset(to, value, bytes); }
void* __tsan_memmove(void* to, const void* from, size_t bytes) { return std::memmove(to, from, bytes); }
}

#define SACCADE_ATOMIC(bits, type)                                                                                  \
  extern "C" type __tsan_atomic##bits##_load(const volatile type* at, int) {                                        \
    record(__builtin_return_address(0), const_cast<type*>(at), bits / 8, false);                                    \
    return __atomic_load_n(at, __ATOMIC_RELAXED);                                                                   \
  }                                                                                                                 \
  extern "C" void __tsan_atomic##bits##_store(volatile type* at, type value, int) {                                 \
    record(__builtin_return_address(0), const_cast<type*>(at), bits / 8, true);                                     \
    __atomic_store_n(at, value, __ATOMIC_RELAXED);                                                                  \
  }                                                                                                                 \
  extern "C" type __tsan_atomic##bits##_fetch_add(volatile type* at, type value, int) {                             \
    return __atomic_fetch_add(at, value, __ATOMIC_RELAXED);                                                         \
  }                                                                                                                 \
  extern "C" type __tsan_atomic##bits##_fetch_sub(volatile type* at, type value, int) {                             \
    return __atomic_fetch_sub(at, value, __ATOMIC_RELAXED);                                                         \
  }                                                                                                                 \
  extern "C" type __tsan_atomic##bits##_compare_exchange_val(volatile type* at, type expected, type value, int, int) { \
    record(__builtin_return_address(0), const_cast<type*>(at), bits / 8, true);                                     \
    __atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);                   \
    return expected;                                                                                                \
  }
SACCADE_ATOMIC(8, uint8_t)
SACCADE_ATOMIC(16, uint16_t)
SACCADE_ATOMIC(32, uint32_t)
SACCADE_ATOMIC(64, uint64_t)

#endif  // SACCADE_SIMT_TRAFFIC
