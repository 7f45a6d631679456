// Clocks for a context's stream (on cuda: events; elsewhere the host's clock), and work that is recorded to be
// replayed.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "kernels/common/device.h"
#ifdef SACCADE_CUDA
#include <cuda_runtime_api.h>
#endif

namespace saccade::bench {

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Times {
  double p10 = 0, median = 0, p90 = 0;

  explicit Times(std::vector<double> seconds) {
    std::sort(seconds.begin(), seconds.end());
    const size_t n = seconds.size();
    if (n > 0) p10 = seconds[n / 10], median = seconds[n / 2], p90 = seconds[n * 9 / 10];
  }
};

#ifdef SACCADE_CUDA
inline void require(cudaError_t error, const char* what) {
  check(error == cudaSuccess, "cuda: ", what, ": ", cudaGetErrorString(error));
}
#endif

// Measures stretches of work on a context's stream.
class Timer {
 public:
  explicit Timer(Context& context) : context_(context) {
#ifdef SACCADE_CUDA
    if (context.device() != Device::cuda) return;
    require(cudaEventCreate(&start_), "create event");
    require(cudaEventCreate(&stop_), "create event");
#endif
  }
  ~Timer() {
#ifdef SACCADE_CUDA
    if (start_) cudaEventDestroy(start_);
    if (stop_) cudaEventDestroy(stop_);
#endif
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Seconds from the first to the last thing that `work` puts on the stream; what the host takes to put it
  // there counts wherever the device waits for it.
  double seconds(const std::function<void()>& work) {
#ifdef SACCADE_CUDA
    if (start_) {
      const auto stream = static_cast<cudaStream_t>(context_.stream());
      require(cudaEventRecord(start_, stream), "record event");
      work();
      require(cudaEventRecord(stop_, stream), "record event");
      require(cudaEventSynchronize(stop_), "wait for an event");
      float milliseconds = 0;
      require(cudaEventElapsedTime(&milliseconds, start_, stop_), "elapsed time");
      return milliseconds * 1e-3;
    }
#endif
    const double begin = now();
    work();
    synchronize(context_);
    return now() - begin;
  }

 private:
  Context& context_;
#ifdef SACCADE_CUDA
  cudaEvent_t start_ = nullptr, stop_ = nullptr;
#endif
};

// A stretch of work recorded once (kernels/common/device.h: a CUDA graph, on simt a list of launches). Throws
// where the work cannot be recorded: it reads or writes on the host, waits for the device, or allocates.
class Graph {
 public:
  Graph(Context& context, const std::function<void()>& work) : context_(context) {
    begin_recording(context);
    context.in_segment = true;
    try {
      work();
      recording_ = end_recording(context);
    } catch (...) {
      context.in_segment = false;
      abandon_recording(context);
      throw;
    }
    context.in_segment = false;
  }

  void replay() { saccade::replay(context_, recording_); }

 private:
  Context& context_;
  std::shared_ptr<void> recording_;
};

}  // namespace saccade::bench
