#ifdef SACCADE_CUDA

#include "kernels/common/cuda_device.h"

#include <cuda_runtime_api.h>

#include "kernels/common/error.h"

namespace saccade::cuda_device {

namespace {

void require(cudaError_t error, const char* what) {
  check(error == cudaSuccess, "cuda: ", what, ": ", cudaGetErrorString(error));
}

// The devices are counted once: a process does not gain or lose any.
struct Devices {
  int count = 0;
  std::string reason;

  Devices() {
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaSuccess && count > 0) return;
    count = 0;
    int driver = 0;
    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0)
      reason = "no CUDA driver on this machine";
    else if (error == cudaErrorInsufficientDriver)
      reason = concat("the CUDA driver is too old (", driver / 1000, ".", driver % 1000 / 10, ", built with ",
                      CUDART_VERSION / 1000, ".", CUDART_VERSION % 1000 / 10, ")");
    else if (error == cudaErrorNoDevice || error == cudaSuccess)
      reason = "no CUDA device on this machine";
    else
      reason = cudaGetErrorString(error);
    cudaGetLastError();  // clears the error: the next call must not report it again
  }
};

const Devices& devices() {
  static const Devices found;
  return found;
}

cudaMemcpyKind kind_of(Copy direction) {
  switch (direction) {
    case Copy::to_device:
      return cudaMemcpyHostToDevice;
    case Copy::to_host:
      return cudaMemcpyDeviceToHost;
    case Copy::on_device:
      return cudaMemcpyDeviceToDevice;
  }
  return cudaMemcpyDefault;
}

}  // namespace

bool is_available(std::string* reason) {
  if (devices().count > 0) return true;
  if (reason) *reason = devices().reason;
  return false;
}

int compute_capability(int device_index) {
  int major = 0, minor = 0;
  require(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device_index),
          "device attribute");
  require(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device_index),
          "device attribute");
  return 10 * major + minor;
}

std::string name(int device_index) {
  cudaDeviceProp properties;
  require(cudaGetDeviceProperties(&properties, device_index), "device properties");
  return properties.name;
}

void* allocate(int device_index, size_t bytes) {
  void* data = nullptr;
  require(cudaSetDevice(device_index), "set device");
  const cudaError_t error = cudaMalloc(&data, bytes ? bytes : 1);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t available = 0, total = 0;
    cudaMemGetInfo(&available, &total);
    check(false, "out of memory: ", bytes, " bytes asked for on cuda:", device_index, ", ", available, " of ",
          total, " free");
  }
  require(error, "allocate");
  return data;
}

void free(int, void* data) noexcept {
  cudaFree(data);
}

void* create_stream(int device_index) {
  check_input(device_index >= 0 && device_index < devices().count, "device cuda:", device_index, ": there ",
              devices().count == 1 ? "is 1 CUDA device" : concat("are ", devices().count, " CUDA devices"),
              " on this machine, counted from 0");
  require(cudaSetDevice(device_index), "set device");
  cudaStream_t stream = nullptr;
  require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "create stream");
  return stream;
}

void destroy_stream(int, void* stream) noexcept {
  cudaStreamDestroy(static_cast<cudaStream_t>(stream));
}

void copy(Copy direction, void* to, const void* from, size_t bytes, void* stream) {
  require(cudaMemcpyAsync(to, from, bytes, kind_of(direction), static_cast<cudaStream_t>(stream)), "copy");
}

void fill_zero(void* to, size_t bytes, void* stream) {
  require(cudaMemsetAsync(to, 0, bytes, static_cast<cudaStream_t>(stream)), "fill");
}

void synchronize(void* stream) {
  require(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)), "synchronize");
}

namespace {
struct Event {
  cudaEvent_t event = nullptr;

  Event() { require(cudaEventCreate(&event), "create an event"); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { cudaEventDestroy(event); }
};
}  // namespace

double seconds(void* stream, const std::function<void()>& work) {
  const Event begin, end;
  require(cudaEventRecord(begin.event, static_cast<cudaStream_t>(stream)), "record an event");
  work();
  require(cudaEventRecord(end.event, static_cast<cudaStream_t>(stream)), "record an event");
  require(cudaEventSynchronize(end.event), "wait for an event");
  float milliseconds = 0;
  require(cudaEventElapsedTime(&milliseconds, begin.event, end.event), "elapsed time");
  return milliseconds * 1e-3;
}

void begin_capture(void* stream) {
  // Thread-local: other threads may use their own streams meanwhile.
  require(cudaStreamBeginCapture(static_cast<cudaStream_t>(stream), cudaStreamCaptureModeThreadLocal),
          "begin a graph");
}

void* end_capture(void* stream) {
  cudaGraph_t graph = nullptr;
  const cudaError_t error = cudaStreamEndCapture(static_cast<cudaStream_t>(stream), &graph);
  if (error != cudaSuccess) cudaGetLastError();
  require(error, "record work that does not fit into a graph");
  cudaGraphExec_t ready = nullptr;
  const cudaError_t made = cudaGraphInstantiate(&ready, graph, 0);
  cudaGraphDestroy(graph);
  require(made, "make a graph ready");
  return ready;
}

void abandon_capture(void* stream) noexcept {
  cudaGraph_t graph = nullptr;
  cudaStreamEndCapture(static_cast<cudaStream_t>(stream), &graph);
  if (graph) cudaGraphDestroy(graph);
  cudaGetLastError();
}

void launch_graph(void* graph, void* stream) {
  require(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), static_cast<cudaStream_t>(stream)),
          "launch a graph");
}

void destroy_graph(void* graph) noexcept {
  cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph));
}

}  // namespace saccade::cuda_device

#endif  // SACCADE_CUDA
