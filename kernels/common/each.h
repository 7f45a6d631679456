// One thread for each of `count` items: the plain kernels (*.plain.h) are written with it. A plain kernel
// says in the fewest words what an op computes. The fast kernel beside it must give the same, and the
// benchmark shows how much faster it is. Context::kernels = Kernels::plain chooses the plain one.
// f is a struct with `__device__ void operator()(int64_t item) const`.
#pragma once

#include "kernels/common/launch.h"

namespace saccade {
inline namespace SACCADE_TARGET {

constexpr unsigned kEachThreads = 256;

template <class F>
__global__ void __launch_bounds__(kEachThreads, 2) each_kernel(int64_t count, F f) {
  const int64_t item = static_cast<int64_t>(blockIdx.x) * kEachThreads + threadIdx.x;
  if (item < count) f(item);
}

template <class F>
void each(Context& context, int64_t count, const F& f, const char* file = __builtin_FILE(),
          int line = __builtin_LINE()) {
  launch(each_kernel<F>, Grid(blocks_for(count, kEachThreads), 1, 1, file, line), kEachThreads, 0,
         context.stream(), count, f);
}

}  // namespace SACCADE_TARGET
}  // namespace saccade
