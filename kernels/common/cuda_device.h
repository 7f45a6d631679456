// The CUDA half of device.h. The CUDA runtime is linked statically, so that a binary built with CUDA starts
// on a machine without a driver.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace saccade::cuda_device {

bool is_available(std::string* reason);
int compute_capability(int device_index);
std::string name(int device_index);
void* allocate(int device_index, size_t bytes);
void free(int device_index, void* data) noexcept;
void* create_stream(int device_index);
void destroy_stream(int device_index, void* stream) noexcept;

enum class Copy { to_device, to_host, on_device };
void copy(Copy direction, void* to, const void* from, size_t bytes, void* stream);  // asynchronous
void fill_zero(void* to, size_t bytes, void* stream);
void synchronize(void* stream);
double seconds(void* stream, const std::function<void()>& work);

// A graph of the work that a stream is given between begin and end; recorded work does not run.
void begin_capture(void* stream);
void* end_capture(void* stream);  // ready to launch; Error if something in between cannot be part of a graph
void abandon_capture(void* stream) noexcept;
void launch_graph(void* graph, void* stream);
void destroy_graph(void* graph) noexcept;

}  // namespace saccade::cuda_device
