// Devices and their raw memory. Code above this file does not distinguish devices.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "kernels/common/context.h"

namespace saccade {

// Whether this binary can run kernels on `device` here: the device was compiled in, and for cuda there are a
// driver and a GPU. If not, `reason` (may be null) receives one line.
bool is_available(Device device, std::string* reason = nullptr);

// kAlignment-aligned memory of the device. Throws Error when there is none left.
void* allocate_device_memory(Device device, int device_index, size_t bytes);
void free_device_memory(Device device, int device_index, void* data) noexcept;

// The stream of a new context: on cuda a cudaStream_t, and the device becomes this thread's current one;
// elsewhere null. InputError when there is no device of that index.
void* create_stream(Device device, int device_index);
void destroy_stream(Device device, int device_index, void* stream) noexcept;

// 10 * major + minor of a cuda device (75, 90, 120); 0 elsewhere.
int compute_capability(const Context&);

// "NVIDIA H200" of a cuda device; the device's own name elsewhere.
std::string device_name(const Context&);

// Whether the context's device computes in `precision`. If not, `reason` (may be null) receives one line.
bool has_precision(const Context&, Precision precision, std::string* reason = nullptr);

// Copies in the order of the context's stream. When copy_to_device returns, it has read pageable memory; when
// copy_to_host returns, the bytes have arrived.
void copy_to_device(Context&, void* to, const void* from_host, size_t bytes);
void copy_to_host(Context&, void* to_host, const void* from, size_t bytes);
void copy_on_device(Context&, void* to, const void* from, size_t bytes);  // may overlap on the host only
void fill_zero(Context&, void* to, size_t bytes);
void synchronize(Context&);

// Seconds that `work` takes on the context's stream, from its first command to
// its last, by events: the host's time counts only where the device waits for it.
// On other devices than cuda the host's clock measures.
double seconds_on_device(Context&, const std::function<void()>& work);

// --- Work that is recorded once and replayed: on cuda a graph, on simt a list of launches and copies ---
// What is recorded does not run. Between begin and end the stream takes only launches and copies on the
// device: a copy from or to the host, an allocation or a wait is an Error. autograd/segment.h uses this.
bool can_record(Device device);
void begin_recording(Context&);
std::shared_ptr<void> end_recording(Context&);  // can be replayed as long as the memory that it uses is there
void abandon_recording(Context&) noexcept;      // after an exception
void replay(Context&, const std::shared_ptr<void>& recording);

}  // namespace saccade
