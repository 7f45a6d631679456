#include "kernels/common/device.h"

#include <cstdlib>
#include <cstring>

namespace saccade {

bool is_available(Device device, std::string* reason) {
  if (device == Device::cpu || device == Device::reference) return true;
  if (reason) *reason = "this binary was built without it";
  return false;
}

void* allocate_device_memory(Device, int, size_t bytes) {
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* data = std::aligned_alloc(kAlignment, rounded ? rounded : kAlignment);
  check(data != nullptr, "out of memory: ", bytes, " bytes asked for on the host");
  return data;
}

void free_device_memory(Device, int, void* data) noexcept { std::free(data); }

void copy_to_device(Context&, void* to, const void* from_host, size_t bytes) { std::memcpy(to, from_host, bytes); }
void copy_to_host(Context&, void* to_host, const void* from, size_t bytes) { std::memcpy(to_host, from, bytes); }
void copy_on_device(Context&, void* to, const void* from, size_t bytes) { std::memmove(to, from, bytes); }
void fill_zero(Context&, void* to, size_t bytes) { std::memset(to, 0, bytes); }
void synchronize(Context&) {}

}  // namespace saccade
