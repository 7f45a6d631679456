#include "kernels/common/device.h"

#include <cstdlib>
#include <cstring>

#ifdef SACCADE_CUDA
#include "kernels/common/cuda_device.h"
#endif

namespace saccade {

namespace {

constexpr bool kHasSimt =
#ifdef SACCADE_SIMT
    true;
#else
    false;
#endif

// All devices but cuda live in the host's memory.
void* allocate_on_host(size_t bytes) {
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* data = std::aligned_alloc(kAlignment, rounded ? rounded : kAlignment);
  check(data != nullptr, "out of memory: ", bytes, " bytes asked for on the host");
  return data;
}

}  // namespace

bool is_available(Device device, std::string* reason) {
  if (device == Device::cpu || device == Device::reference) return true;
  if (device == Device::simt && kHasSimt) return true;
#ifdef SACCADE_CUDA
  if (device == Device::cuda) return cuda_device::is_available(reason);
#endif
  if (reason) *reason = "this binary was built without it";
  return false;
}

void* allocate_device_memory(Device device, [[maybe_unused]] int device_index, size_t bytes) {
#ifdef SACCADE_CUDA
  if (device == Device::cuda) return cuda_device::allocate(device_index, bytes);
#endif
  check(device != Device::cuda, "this binary was built without CUDA");
  return allocate_on_host(bytes);
}

void free_device_memory([[maybe_unused]] Device device, [[maybe_unused]] int device_index,
                        void* data) noexcept {
#ifdef SACCADE_CUDA
  if (device == Device::cuda) return cuda_device::free(device_index, data);
#endif
  std::free(data);
}

void* create_stream([[maybe_unused]] Device device, [[maybe_unused]] int device_index) {
#ifdef SACCADE_CUDA
  if (device == Device::cuda) return cuda_device::create_stream(device_index);
#endif
  return nullptr;
}

void destroy_stream([[maybe_unused]] Device device, [[maybe_unused]] int device_index,
                    [[maybe_unused]] void* stream) noexcept {
#ifdef SACCADE_CUDA
  if (device == Device::cuda) cuda_device::destroy_stream(device_index, stream);
#endif
}

int compute_capability([[maybe_unused]] const Context& context) {
#ifdef SACCADE_CUDA
  if (context.device() == Device::cuda) return cuda_device::compute_capability(context.device_index());
#endif
  return 0;
}

void copy_to_device([[maybe_unused]] Context& context, void* to, const void* from_host, size_t bytes) {
  if (bytes == 0) return;
#ifdef SACCADE_CUDA
  if (context.device() == Device::cuda)
    return cuda_device::copy(cuda_device::Copy::to_device, to, from_host, bytes, context.stream());
#endif
  std::memcpy(to, from_host, bytes);
}

void copy_to_host([[maybe_unused]] Context& context, void* to_host, const void* from, size_t bytes) {
  if (bytes == 0) return;
#ifdef SACCADE_CUDA
  if (context.device() == Device::cuda) {
    cuda_device::copy(cuda_device::Copy::to_host, to_host, from, bytes, context.stream());
    return synchronize(context);
  }
#endif
  std::memcpy(to_host, from, bytes);
}

void copy_on_device([[maybe_unused]] Context& context, void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
#ifdef SACCADE_CUDA
  if (context.device() == Device::cuda)
    return cuda_device::copy(cuda_device::Copy::on_device, to, from, bytes, context.stream());
#endif
  std::memmove(to, from, bytes);
}

void fill_zero([[maybe_unused]] Context& context, void* to, size_t bytes) {
  if (bytes == 0) return;
#ifdef SACCADE_CUDA
  if (context.device() == Device::cuda) return cuda_device::fill_zero(to, bytes, context.stream());
#endif
  std::memset(to, 0, bytes);
}

void synchronize([[maybe_unused]] Context& context) {
#ifdef SACCADE_CUDA
  if (context.device() == Device::cuda) cuda_device::synchronize(context.stream());
#endif
}

}  // namespace saccade
