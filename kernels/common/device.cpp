#include "kernels/common/device.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "kernels/common/clock.h"
#include "kernels/common/onednn.h"
#ifdef SACCADE_CUDA
#include "kernels/common/cuda_device.h"
#endif
#include "kernels/simt/memory.h"
#ifdef SACCADE_SIMT
#include "kernels/simt/recording.h"
#include "kernels/simt/traffic.h"
#endif

namespace saccade {

namespace {

constexpr bool kHasSimt =
#ifdef SACCADE_SIMT
    true;
#else
    false;
#endif

// True between begin_recording and the end of that recording.
thread_local bool recording_now = false;

void refuse_while_recording(const char* what) {
  check(!recording_now, what, " is not possible in work that is recorded to be replayed");
}

// All devices but cuda live in the host's memory. Large blocks take huge pages where the system has them: fewer faults.
void* allocate_on_host(size_t bytes) {
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
  const size_t rounded = (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  void* data = std::aligned_alloc(alignment, rounded);
  check(data != nullptr, "out of memory: ", bytes, " bytes asked for on the host");
  if (bytes >= kHugePage) madvise(data, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
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
  if (device == Device::cuda || device == Device::simt) refuse_while_recording("an allocation");
#ifdef SACCADE_CUDA
  if (device == Device::cuda) return cuda_device::allocate(device_index, bytes);
#endif
  check(device != Device::cuda, "this binary was built without CUDA");
#ifdef SACCADE_SIMT
  if (device == Device::simt) {
    void* data = simt::allocate(kAlignment, bytes);
    check(data != nullptr, "out of memory: ", bytes, " bytes asked for on the device simt");
    return data;
  }
#endif
  return allocate_on_host(bytes);
}

bool separate_buffers([[maybe_unused]] Device device) {
#ifdef SACCADE_SIMT
  if (device == Device::simt) return simt::separate_buffers();
#endif
  return false;
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

std::string device_name(const Context& context) {
#ifdef SACCADE_CUDA
  if (context.device() == Device::cuda) return cuda_device::name(context.device_index());
#endif
  return name_of(context.device());
}

bool has_precision(const Context& context, Precision precision, std::string* reason) {
  const auto no = [&](const std::string& why) {
    if (reason) *reason = why;
    return false;
  };
  const bool gpu = context.device() == Device::cuda || context.device() == Device::simt;
  if (precision == Precision::f32) return true;
  if (context.device() == Device::cpu && precision == Precision::bf16) {
#ifdef SACCADE_ONEDNN
    return multiplies_bf16() || no("it needs a processor with AVX512-BF16 or AMX, and this one has neither");
#else
    return no("this program was built without oneDNN, which multiplies bf16 on the CPU");
#endif
  }
  if (!gpu)
    return no(concat("the device ", name_of(context.device()), " does not compute in ", name_of(precision)));
  if (context.device() == Device::simt)
    return precision == Precision::bf16 || no("the device simt computes in f32 or bf16");
  const int capability = compute_capability(context);
  return capability >= 80 || no(concat("it needs sm_80 or newer, this device is sm_", capability));
}

void copy_to_device([[maybe_unused]] Context& context, void* to, const void* from_host, size_t bytes) {
  if (bytes == 0) return;
  refuse_while_recording("a copy from the host");
#ifdef SACCADE_CUDA
  if (context.device() == Device::cuda)
    return cuda_device::copy(cuda_device::Copy::to_device, to, from_host, bytes, context.stream());
#endif
  std::memcpy(to, from_host, bytes);
}

void copy_to_host([[maybe_unused]] Context& context, void* to_host, const void* from, size_t bytes) {
  if (bytes == 0) return;
  refuse_while_recording("a copy to the host");
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
#ifdef SACCADE_SIMT
  if (context.device() == Device::simt)
    return simt::submit(
        simt::Command::copy, nullptr, {}, bytes,
        [=] {
          simt::traffic_detail::copied(to, from, bytes);
          std::memmove(to, from, bytes);
        },
        to, from);
#endif
  std::memmove(to, from, bytes);
}

void fill_zero([[maybe_unused]] Context& context, void* to, size_t bytes) {
  if (bytes == 0) return;
#ifdef SACCADE_CUDA
  if (context.device() == Device::cuda) return cuda_device::fill_zero(to, bytes, context.stream());
#endif
#ifdef SACCADE_SIMT
  if (context.device() == Device::simt)
    return simt::submit(
        simt::Command::fill, nullptr, {}, bytes,
        [=] {
          simt::traffic_detail::copied(to, nullptr, bytes);
          std::memset(to, 0, bytes);
        },
        to);
#endif
  std::memset(to, 0, bytes);
}

void synchronize([[maybe_unused]] Context& context) {
  refuse_while_recording("a wait for the device");
#ifdef SACCADE_CUDA
  if (context.device() == Device::cuda) cuda_device::synchronize(context.stream());
#endif
}

double seconds_on_device(Context& context, const std::function<void()>& work) {
#ifdef SACCADE_CUDA
  refuse_while_recording("a measurement");
  if (context.device() == Device::cuda) return cuda_device::seconds(context.stream(), work);
#endif
  const Stopwatch watch;
  work();
  synchronize(context);
  return watch.seconds();
}

bool can_record(Device device) {
  return device == Device::cuda || device == Device::simt;
}

namespace {
#ifdef SACCADE_SIMT
std::unique_ptr<simt::Recording>& recording_of_this_thread() {
  static thread_local std::unique_ptr<simt::Recording> one;
  return one;
}
#endif
}  // namespace

void begin_recording([[maybe_unused]] Context& context) {
  check(can_record(context.device()) && !recording_now, "work on ", name_of(context.device()),
        " cannot be recorded", recording_now ? " twice at a time" : "");
#ifdef SACCADE_CUDA
  if (context.device() == Device::cuda) cuda_device::begin_capture(context.stream());
#endif
#ifdef SACCADE_SIMT
  if (context.device() == Device::simt) {
    recording_of_this_thread() = std::make_unique<simt::Recording>();
    simt::active_recording() = recording_of_this_thread().get();
  }
#endif
  recording_now = true;
}

std::shared_ptr<void> end_recording([[maybe_unused]] Context& context) {
  recording_now = false;
#ifdef SACCADE_CUDA
  if (context.device() == Device::cuda)
    return {cuda_device::end_capture(context.stream()),
            [](void* graph) { cuda_device::destroy_graph(graph); }};
#endif
#ifdef SACCADE_SIMT
  simt::active_recording() = nullptr;
  return std::shared_ptr<simt::Recording>(std::move(recording_of_this_thread()));
#else
  return nullptr;
#endif
}

void abandon_recording([[maybe_unused]] Context& context) noexcept {
  recording_now = false;
#ifdef SACCADE_CUDA
  if (context.device() == Device::cuda) cuda_device::abandon_capture(context.stream());
#endif
#ifdef SACCADE_SIMT
  simt::active_recording() = nullptr;
  recording_of_this_thread().reset();
#endif
}

void replay([[maybe_unused]] Context& context, [[maybe_unused]] const std::shared_ptr<void>& recording) {
#ifdef SACCADE_CUDA
  if (context.device() == Device::cuda) return cuda_device::launch_graph(recording.get(), context.stream());
#endif
#ifdef SACCADE_SIMT
  for (const simt::Command& command : static_cast<const simt::Recording*>(recording.get())->commands)
    command.run();
#endif
}

}  // namespace saccade
