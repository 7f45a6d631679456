// Clocks for a context's stream, and graphs to replay. On cuda: events and captured graphs. Elsewhere: the
// host's clock, and no graphs.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
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

// A stretch of work captured once. Throws where the work cannot be captured: it waits for the device, or
// allocates.
class Graph {
 public:
  Graph([[maybe_unused]] Context& context, [[maybe_unused]] const std::function<void()>& work)
      : context_(context) {
#ifdef SACCADE_CUDA
    const auto stream = static_cast<cudaStream_t>(context.stream());
    require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "begin capture");
    cudaGraph_t graph = nullptr;
    try {
      work();
    } catch (...) {
      cudaStreamEndCapture(stream, &graph);
      if (graph) cudaGraphDestroy(graph);
      cudaGetLastError();
      throw;
    }
    const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
    if (ended != cudaSuccess) cudaGetLastError();
    require(ended, "end capture");
    const cudaError_t made = cudaGraphInstantiate(&exec_, graph, 0);
    cudaGraphDestroy(graph);
    require(made, "instantiate a graph");
#else
    throw Error("this binary was built without CUDA");
#endif
  }
  ~Graph() {
#ifdef SACCADE_CUDA
    if (exec_) cudaGraphExecDestroy(exec_);
#endif
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void replay() {
#ifdef SACCADE_CUDA
    require(cudaGraphLaunch(exec_, static_cast<cudaStream_t>(context_.stream())), "launch a graph");
#endif
  }

 private:
  [[maybe_unused]] Context& context_;
#ifdef SACCADE_CUDA
  cudaGraphExec_t exec_ = nullptr;
#endif
};

}  // namespace saccade::bench
