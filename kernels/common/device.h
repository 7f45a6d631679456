// Devices and their raw memory. Everything above this file is the same for all devices.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "kernels/common/context.h"

namespace saccade {

// Whether this binary can run kernels on `device` here: it was compiled in, and for cuda a driver and a
// device are present. `reason` (may be null) receives one line when it is not.
bool is_available(Device device, std::string* reason = nullptr);

// kAlignment-aligned memory of the context's device. Throws Error when there is none left.
void* allocate_device_memory(Device device, int device_index, size_t bytes);
void free_device_memory(Device device, int device_index, void* data) noexcept;

// The stream of a new context: a cudaStream_t on cuda, which also becomes this thread's current device; null
// elsewhere. InputError when there is no device of that index.
void* create_stream(Device device, int device_index);
void destroy_stream(Device device, int device_index, void* stream) noexcept;

// 10 * major + minor of a cuda device (75, 90, 120); 0 elsewhere.
int compute_capability(const Context&);

// "NVIDIA H200" of a cuda device; the device's own name elsewhere.
std::string device_name(const Context&);

// Whether the device of the context computes in `precision`; `reason` (may be null) receives one line when it does not.
bool has_precision(const Context&, Precision precision, std::string* reason = nullptr);

// Copies in the order of the context's stream. copy_to_device has read pageable memory when it returns,
// copy_to_host returns when the bytes have arrived.
void copy_to_device(Context&, void* to, const void* from_host, size_t bytes);
void copy_to_host(Context&, void* to_host, const void* from, size_t bytes);
void copy_on_device(Context&, void* to, const void* from, size_t bytes);  // may overlap on the host only
void fill_zero(Context&, void* to, size_t bytes);
void synchronize(Context&);

// Seconds from the first to the last thing that `work` puts on the context's stream, by events; what the host takes to put it
// there counts wherever the device waits for it. Off cuda by the host's clock.
double seconds_on_device(Context&, const std::function<void()>& work);

// --- A stretch of work that is recorded once and replayed: a CUDA graph; on simt the list of launches and copies ---
// What is recorded does not run. Between begin and end the stream takes launches and copies on the device alone: a copy from
// or to the host, an allocation or a wait is an Error. autograd/segment.h is what uses this.
bool can_record(Device device);
void begin_recording(Context&);
std::shared_ptr<void> end_recording(Context&);  // to replay, as often as wanted, while its memory is there
void abandon_recording(Context&) noexcept;      // after an exception
void replay(Context&, const std::shared_ptr<void>& recording);

}  // namespace saccade
