#include "kernels/simt/traffic.h"

#ifdef SACCADE_SIMT_TRAFFIC

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <map>
#include <memory>
#include <unordered_map>

#include "kernels/common/error.h"
#include "kernels/simt/simt.h"

extern "C" char __start_simt_shared[], __stop_simt_shared[];

namespace saccade::simt {

namespace {

constexpr unsigned kLanes = 32;
constexpr size_t kPageSectors = 2048;

// The state of one sector of memory.
struct Sector {
  uint32_t slot = 0;    // of the cache, from 1; 0: not in the cache
  uint8_t touched = 0;  // bits: 1 read before it was written, 2 written
};

class Memory {
 public:
  Sector& at(uintptr_t sector) {
    const uintptr_t page = sector / kPageSectors;
    if (page != last_page_) {
      auto& sectors = pages_[page];
      if (!sectors) sectors = std::make_unique<Page>();
      last_page_ = page;
      last_ = sectors.get();
    }
    return (*last_)[sector % kPageSectors];
  }
  uint64_t touched_sectors() const {
    uint64_t count = 0;
    for (const auto& [number, page] : pages_)
      for (const Sector& sector : *page) count += static_cast<unsigned>(std::popcount(sector.touched));
    return count;
  }

 private:
  using Page = std::array<Sector, kPageSectors>;
  std::unordered_map<uintptr_t, std::unique_ptr<Page>> pages_;
  uintptr_t last_page_ = ~uintptr_t{0};
  Page* last_ = nullptr;
};

// A ring of slots; the least recently used sector follows slot 0.
class Cache {
 public:
  void touch(Sector& sector, bool write) {
    if (sector.slot == 0) {
      if (!write) moved_ += kSectorBytes;
      const uint32_t slot = used_ < kSlots ? ++used_ : evicted();
      slots_[slot].sector = &sector;
      slots_[slot].dirty = write;
      sector.slot = slot;
      insert_newest(slot);
      return;
    }
    Slot& slot = slots_[sector.slot];
    slot.dirty |= write;
    if (slots_[0].older == sector.slot) return;  // it is the newest already
    unlink(sector.slot);
    insert_newest(sector.slot);
  }
  uint64_t moved() const { return moved_; }
  void flush() {
    while (slots_[0].newer != 0) evicted();
    used_ = 0;
  }

 private:
  static constexpr uint32_t kSlots = kCacheBytes / kSectorBytes;
  struct Slot {
    Sector* sector = nullptr;
    uint32_t newer = 0, older = 0;  // for slot 0: the oldest and the newest slot
    bool dirty = false;
  };
  void unlink(uint32_t slot) {
    slots_[slots_[slot].older].newer = slots_[slot].newer;
    slots_[slots_[slot].newer].older = slots_[slot].older;
  }
  void insert_newest(uint32_t slot) {
    const uint32_t newest = slots_[0].older;
    slots_[slot].older = newest;
    slots_[slot].newer = 0;
    slots_[newest].newer = slot;
    slots_[0].older = slot;
  }
  uint32_t evicted() {
    const uint32_t slot = slots_[0].newer;
    unlink(slot);
    if (slots_[slot].dirty) moved_ += kSectorBytes;
    slots_[slot].sector->slot = 0;
    return slot;
  }
  std::vector<Slot> slots_ = std::vector<Slot>(kSlots + 1);
  uint32_t used_ = 0;
  uint64_t moved_ = 0;
};

struct Measurement {
  Memory memory;
  Cache cache;
  struct Kernel {
    uint64_t launches = 0, moved = 0;
    std::map<const void*, Counts> instructions;
  };
  std::map<std::string, Kernel> kernels;
  bool copies = true;

  void touch(uintptr_t number, bool write) {
    Sector& sector = memory.at(number);
    cache.touch(sector, write);
    if (write)
      sector.touched |= 2u;
    else if (!(sector.touched & 2u))
      sector.touched |= 1u;
  }
};

// The addresses for which the lanes of a warp asked at their n-th visit to an instruction.
struct Request {
  uint32_t instruction;
  uint32_t lanes = 0;  // a bit for each lane that came
  uint8_t bytes;
  bool write;
  std::array<uintptr_t, kLanes> address;
};

struct Warp {
  std::vector<Request> requests;                      // in the order in which their first lanes came
  std::vector<std::vector<uint32_t>> by_instruction;  // the places of requests, by instruction and visit

  void clear() {
    requests.clear();
    for (auto& places : by_instruction) places.clear();
  }
};

Measurement* measurement = nullptr;
Measurement::Kernel* kernel = nullptr;
std::vector<Warp> warps;
std::vector<std::vector<uint32_t>> visits;  // by thread and instruction
// The instructions of the launch, in the order in which they first ran.
std::vector<const void*> instructions;
std::unordered_map<const void*, uint32_t> numbers;
struct Recent {
  const void* instruction = nullptr;
  uint32_t number = 0;
};
std::array<Recent, 1024> recent;

constexpr unsigned kNobody = ~0u;
unsigned running = kNobody;
std::array<traffic_detail::Range, 2> registers = {};  // of the running thread
uintptr_t host_stack = 0;  // holds the kernel's parameters, which are constant memory on a GPU

bool is_shared(uintptr_t address) {
  return address >= reinterpret_cast<uintptr_t>(__start_simt_shared) &&
         address < reinterpret_cast<uintptr_t>(__stop_simt_shared);
}

bool is_register(uintptr_t address) {
  for (const auto& [begin, bytes] : registers)
    if (address - reinterpret_cast<uintptr_t>(begin) < bytes) return true;
  if (address + (size_t{64} << 10) >= host_stack && address < host_stack + (size_t{64} << 10)) return true;
  for (const void* index : {static_cast<const void*>(&threadIdx), static_cast<const void*>(&blockIdx),
                            static_cast<const void*>(&blockDim), static_cast<const void*>(&gridDim)})
    if (address - reinterpret_cast<uintptr_t>(index) < sizeof(dim3)) return true;
  return false;
}

uint32_t number_of(const void* instruction) {
  Recent& entry = recent[reinterpret_cast<uintptr_t>(instruction) / 2 % recent.size()];
  if (entry.instruction == instruction) return entry.number;
  const auto [found, is_new] = numbers.try_emplace(instruction, static_cast<uint32_t>(instructions.size()));
  if (is_new) {
    instructions.push_back(instruction);
    for (Warp& warp : warps) warp.by_instruction.emplace_back();
    for (auto& of_thread : visits) of_thread.push_back(0);
  }
  entry = {instruction, found->second};
  return found->second;
}

void record(const void* instruction, void* at, unsigned bytes, bool write) {
  if (running == kNobody) return;
  const auto address = reinterpret_cast<uintptr_t>(at);
  if (is_register(address)) return;
  const uint32_t number = number_of(instruction);
  Warp& warp = warps[running / kLanes];
  auto& places = warp.by_instruction[number];
  const uint32_t visit = visits[running][number]++;
  if (visit == places.size()) {
    places.push_back(static_cast<uint32_t>(warp.requests.size()));
    Request& fresh = warp.requests.emplace_back();
    fresh.instruction = number;
    fresh.bytes = static_cast<uint8_t>(bytes);
    fresh.write = write;
  }
  Request& request = warp.requests[places[visit]];
  request.lanes |= 1u << running % kLanes;
  request.address[running % kLanes] = address;
}

// The number of passes through the banks for the words that these lanes ask for.
unsigned passes_of(const Request& request, unsigned lanes) {
  std::array<uintptr_t, 4 * kLanes> words;
  unsigned count = 0;
  for (; lanes != 0; lanes &= lanes - 1) {
    const uintptr_t begin = request.address[static_cast<unsigned>(std::countr_zero(lanes))];
    for (uintptr_t word = begin / 4; word * 4 < begin + request.bytes; ++word) words[count++] = word;
  }
  std::sort(words.begin(), words.begin() + count);
  const auto end = std::unique(words.begin(), words.begin() + count);
  std::array<unsigned, 32> banks = {};
  unsigned most = 0;
  for (auto word = words.begin(); word != end; ++word) most = std::max(most, ++banks[*word % 32]);
  return most;
}

void count_shared(Counts& counts, const Request& request) {
  ++counts.shared_requests;
  const unsigned group = request.bytes == 16 ? 8 : request.bytes == 8 ? 16 : 32;
  for (unsigned first = 0; first < kLanes; first += group) {
    const unsigned lanes = request.lanes & (group == 32 ? ~0u : ((1u << group) - 1) << first);
    if (lanes == 0) continue;
    counts.passes += passes_of(request, lanes);
    ++counts.least_passes;
  }
}

void count_global(Counts& counts, const Request& request) {
  struct Part {
    uintptr_t sector;
    uint32_t bytes;  // a bit for each byte that is asked for
  };
  std::array<Part, 2 * kLanes> parts;
  unsigned count = 0;
  for (unsigned lanes = request.lanes; lanes != 0; lanes &= lanes - 1) {
    uintptr_t at = request.address[static_cast<unsigned>(std::countr_zero(lanes))];
    for (const uintptr_t end = at + request.bytes; at < end;) {
      const uintptr_t sector = at / kSectorBytes, stop = std::min(end, (sector + 1) * kSectorBytes);
      const auto bytes = static_cast<uint32_t>(((uint64_t{1} << (stop - at)) - 1) << at % kSectorBytes);
      unsigned i = count;  // the lanes of one sector follow each other: search from the end
      while (i > 0 && parts[i - 1].sector != sector) --i;
      if (i > 0)
        parts[i - 1].bytes |= bytes;
      else
        parts[count++] = {sector, bytes};
      at = stop;
    }
  }
  unsigned asked = 0;
  for (unsigned i = 0; i < count; ++i) {
    asked += static_cast<unsigned>(std::popcount(parts[i].bytes));
    measurement->touch(parts[i].sector, request.write);
  }
  ++counts.requests;
  counts.sectors += count;
  counts.least_sectors += (asked + kSectorBytes - 1) / kSectorBytes;
}

}  // namespace

void begin_traffic(bool copies) {
  delete measurement;
  measurement = new Measurement;
  measurement->copies = copies;
}

Traffic end_traffic() {
  check(measurement != nullptr, "no traffic is being measured");
  Traffic traffic;
  measurement->cache.flush();
  traffic.moved = measurement->cache.moved();
  traffic.touched = kSectorBytes * measurement->memory.touched_sectors();
  for (const auto& [launch, counted] : measurement->kernels) {
    KernelTraffic row;
    row.launch = launch;
    row.launches = counted.launches;
    row.moved = counted.moved;
    for (const auto& [instruction, counts] : counted.instructions) {
      row.instructions.emplace_back(instruction, counts);
      row.counts += counts;
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
  instructions.clear();
  numbers.clear();
  recent = {};
  warps.assign((threads + kLanes - 1) / kLanes, {});
  visits.assign(threads, {});
}

// The warps take turns, one request in each, because on a GPU they run side by side.
void end_block() {
  running = kNobody;
  if (!measurement) return;
  const uint64_t before = measurement->cache.moved();
  std::vector<Counts> counts(instructions.size());
  size_t longest = 0;
  for (const Warp& warp : warps) longest = std::max(longest, warp.requests.size());
  for (size_t i = 0; i < longest; ++i)
    for (const Warp& warp : warps) {
      if (i >= warp.requests.size()) continue;
      const Request& request = warp.requests[i];
      const uintptr_t address = request.address[static_cast<unsigned>(std::countr_zero(request.lanes))];
      (is_shared(address) ? count_shared : count_global)(counts[request.instruction], request);
    }
  for (size_t i = 0; i < counts.size(); ++i) kernel->instructions[instructions[i]] += counts[i];
  for (Warp& warp : warps) warp.clear();
  for (auto& of_thread : visits) std::fill(of_thread.begin(), of_thread.end(), 0u);
  kernel->moved += measurement->cache.moved() - before;
}

void begin_thread(unsigned thread, Range stack, Range received) {
  running = measurement ? thread : kNobody;
  registers = {stack, received};
}
void pause() {
  running = kNobody;
}

void copied(const void* to, const void* from, size_t bytes) {
  if (!measurement || !measurement->copies) return;
  Measurement::Kernel& row = measurement->kernels[from ? "copy" : "fill"];
  ++row.launches;
  const uint64_t before = measurement->cache.moved();
  for (size_t done = 0; done < bytes; done += kSectorBytes) {
    if (from) measurement->touch((reinterpret_cast<uintptr_t>(from) + done) / kSectorBytes, false);
    measurement->touch((reinterpret_cast<uintptr_t>(to) + done) / kSectorBytes, true);
  }
  row.moved += measurement->cache.moved() - before;
}

}  // namespace traffic_detail

}  // namespace saccade::simt

// --- What the instrumentation calls ---

using saccade::simt::record;

#define SACCADE_ACCESS(name, bytes, write)                 \
  extern "C" void name(void* at) {                         \
    record(__builtin_return_address(0), at, bytes, write); \
  }
#define SACCADE_ACCESSES(bytes)                              \
  SACCADE_ACCESS(__tsan_read##bytes, bytes, false)           \
  SACCADE_ACCESS(__tsan_write##bytes, bytes, true)           \
  SACCADE_ACCESS(__tsan_unaligned_read##bytes, bytes, false) \
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
void* __tsan_memcpy(void* to, const void* from, size_t bytes) {
  return std::memcpy(to, from, bytes);
}
void* __tsan_memset(void* to, int value, size_t bytes) {
  return std::memset(to, value, bytes);
}
void* __tsan_memmove(void* to, const void* from, size_t bytes) {
  return std::memmove(to, from, bytes);
}
}

#define SACCADE_ATOMIC(bits, type)                                                                         \
  extern "C" type __tsan_atomic##bits##_load(const volatile type* at, int) {                               \
    record(__builtin_return_address(0), const_cast<type*>(at), bits / 8, false);                           \
    return __atomic_load_n(at, __ATOMIC_RELAXED);                                                          \
  }                                                                                                        \
  extern "C" void __tsan_atomic##bits##_store(volatile type* at, type value, int) {                        \
    record(__builtin_return_address(0), const_cast<type*>(at), bits / 8, true);                            \
    __atomic_store_n(at, value, __ATOMIC_RELAXED);                                                         \
  }                                                                                                        \
  extern "C" type __tsan_atomic##bits##_fetch_add(volatile type* at, type value, int) {                    \
    record(__builtin_return_address(0), const_cast<type*>(at), bits / 8, true);                            \
    return __atomic_fetch_add(at, value, __ATOMIC_RELAXED);                                                \
  }                                                                                                        \
  extern "C" type __tsan_atomic##bits##_fetch_sub(volatile type* at, type value, int) {                    \
    record(__builtin_return_address(0), const_cast<type*>(at), bits / 8, true);                            \
    return __atomic_fetch_sub(at, value, __ATOMIC_RELAXED);                                                \
  }                                                                                                        \
  extern "C" type __tsan_atomic##bits##_compare_exchange_val(volatile type* at, type expected, type value, \
                                                             int, int) {                                   \
    record(__builtin_return_address(0), const_cast<type*>(at), bits / 8, true);                            \
    __atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);          \
    return expected;                                                                                       \
  }
SACCADE_ATOMIC(8, uint8_t)
SACCADE_ATOMIC(16, uint16_t)
SACCADE_ATOMIC(32, uint32_t)
SACCADE_ATOMIC(64, uint64_t)

#else

namespace saccade::simt::traffic_detail {
void copied(const void*, const void*, size_t) {}
}  // namespace saccade::simt::traffic_detail

#endif  // SACCADE_SIMT_TRAFFIC
