// Memory of the CPU that a plan keeps (Context::plan).
#pragma once

#include <utility>

#include "kernels/common/device.h"

namespace saccade {

// `bytes` as the device cpu allocates them: aligned, and in huge pages where there are many of them. Packed weights
// are read from end to end for each picture: with small pages, looking up addresses takes a tenth of the time.
class KeptMemory {
 public:
  explicit KeptMemory(size_t bytes = 0)
      : data_(bytes > 0 ? allocate_device_memory(Device::cpu, 0, bytes) : nullptr) {}
  KeptMemory(KeptMemory&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  KeptMemory& operator=(KeptMemory&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  ~KeptMemory() {
    if (data_) free_device_memory(Device::cpu, 0, data_);
  }

  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_;
};

}  // namespace saccade
