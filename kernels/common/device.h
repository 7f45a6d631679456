// Devices and their raw memory. Everything above this file is the same for all devices.
#pragma once

#include <cstddef>
#include <string>

#include "kernels/common/context.h"

namespace saccade {

// Whether this binary can run kernels on `device` here: it was compiled in, and for cuda a driver and a device
// are present. `reason` (may be null) receives one line when it is not.
bool is_available(Device device, std::string* reason = nullptr);

// kAlignment-aligned memory of the context's device. Throws Error when there is none left.
void* allocate_device_memory(Device device, int device_index, size_t bytes);
void free_device_memory(Device device, int device_index, void* data) noexcept;

// Copies in the order of the context's stream. copy_to_host returns when the bytes have arrived.
void copy_to_device(Context&, void* to, const void* from_host, size_t bytes);
void copy_to_host(Context&, void* to_host, const void* from, size_t bytes);
void copy_on_device(Context&, void* to, const void* from, size_t bytes);
void fill_zero(Context&, void* to, size_t bytes);
void synchronize(Context&);

}  // namespace saccade
