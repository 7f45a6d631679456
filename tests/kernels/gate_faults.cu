// Kernels that tests/compile_gate.py must refuse, each for one reason. They serve nothing else.
#include "kernels/common/launch.h"

namespace saccade {

__global__ void indexes_a_local_array(const int* at, float* y) {
  float held[32];
  for (int i = 0; i < 32; ++i) held[i] = y[i];
  held[at[0]] = 1;  // an index that the compiler does not know keeps the array out of the registers
  for (int i = 0; i < 32; ++i) y[i] = held[at[i]];
}

template <class T, int V>
__global__ void scales_one_by_one(T* y) {
  const unsigned first = threadIdx.x * V;
  for (int i = 0; i < V; ++i) y[first + i] = y[first + i] * 2;
}
template __global__ void scales_one_by_one<float, 4>(float*);

}  // namespace saccade
