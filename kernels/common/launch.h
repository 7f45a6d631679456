// The one way in which a kernel is started. It lets one .cu file serve two devices: compiled by
// nvcc it is Device::cuda, compiled for the host (SACCADE_SIMT_TARGET) it is Device::simt.
// Include it first in a .cu file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

// Both versions are linked into one program: code that differs lives in a namespace of its target.
#ifdef SACCADE_SIMT_TARGET
#include "kernels/simt/recording.h"
#include "kernels/simt/simt.h"
#define SACCADE_TARGET simt_target
#else
#include <cuda_runtime.h>
#define SACCADE_TARGET cuda_target
#endif

#include "kernels/common/bf16.h"
#include "kernels/common/context.h"
#include "kernels/common/device.h"

namespace saccade {
inline namespace SACCADE_TARGET {

#ifdef SACCADE_SIMT_TARGET
constexpr Device kGpu = Device::simt;
#else
constexpr Device kGpu = Device::cuda;
#endif

constexpr unsigned kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

// The number of blocks, and the line of the source that launches them: errors name it.
struct Grid {
  unsigned x, y, z;
  const char* file;
  int line;
  Grid(unsigned x_, unsigned y_ = 1, unsigned z_ = 1, const char* file_ = __builtin_FILE(),
       int line_ = __builtin_LINE())
      : x(x_), y(y_), z(z_), file(file_), line(line_) {}
};

// Starts kernel(args...) with `grid` blocks of `block` threads and `smem` bytes of dynamic shared memory. An
// empty grid starts nothing. A launch that is refused throws Error, which names its line.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), Grid grid, dim3 block, size_t smem, void* stream,
            Arguments... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments),
                "a kernel takes as many arguments as it has parameters");
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  const auto start = [&](std::remove_const_t<Parameters>... values) {
#ifdef SACCADE_SIMT_TARGET
    (void)stream;
    const auto run = [=] {
      auto body = [&] { kernel(values...); };
      simt::run({dim3(grid.x, grid.y, grid.z), block, smem, grid.file, grid.line}, body);
    };
    simt::submit(simt::Command::launch, reinterpret_cast<const void*>(kernel),
                 {grid.x, grid.y, grid.z, block.x, block.y, block.z}, smem, run, values...);
#else
    void* addresses[sizeof...(Parameters) + 1] = {&values...};
    const cudaError_t error =
        cudaLaunchKernel(reinterpret_cast<const void*>(kernel), dim3(grid.x, grid.y, grid.z), block,
                         addresses, smem, static_cast<cudaStream_t>(stream));
    if (error != cudaSuccess) cudaGetLastError();  // clears the error: the next call must not report it again
    check(error == cudaSuccess, "launch at ", grid.file, ":", grid.line, ": ", cudaGetErrorString(error));
#endif
  };
  start(static_cast<Parameters>(arguments)...);
}

// The number of blocks of `per_block` items each that cover `count`, for the first dimension of a grid.
inline unsigned blocks_for(int64_t count, int64_t per_block) {
  const int64_t blocks = (count + per_block - 1) / per_block;
  check(blocks < (int64_t{1} << 31), "a launch of ", blocks, " blocks is too large");
  return static_cast<unsigned>(blocks);
}

// The dynamic shared memory of the running block, 16-byte aligned.
template <class T>
__device__ __forceinline__ T* dynamic_shared() {
#ifdef SACCADE_SIMT_TARGET
  return static_cast<T*>(simt::dynamic_shared_memory());
#else
  extern __shared__ uint4 dynamic_shared_words[];
  return reinterpret_cast<T*>(dynamic_shared_words);
#endif
}

inline bool aligned(const void* pointer, size_t bytes) {
  return reinterpret_cast<uintptr_t>(pointer) % bytes == 0;
}

// InputError for bf16 on a device older than sm_80.
template <class T>
void check_element(const Context& context) {
  if (!std::is_same_v<T, bf16> || kGpu != Device::cuda) return;
  const int capability = compute_capability(context);
  check_input(capability >= 80, "device cuda: bf16 needs sm_80 or newer, this one is sm_", capability);
}

}  // namespace SACCADE_TARGET
}  // namespace saccade
