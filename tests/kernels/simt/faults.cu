#include "kernels/common/launch.h"
#include "kernels/common/reduce.h"
#include "kernels/common/vector.h"
#include "tests/kernels/simt/faults.h"

namespace saccade::faults {

namespace {

constexpr unsigned kThreads = 64;

__global__ void reverse(const int* in, int* out, bool fault) {
  __shared__ int cells[1024];
  cells[threadIdx.x] = in[threadIdx.x];
  if (!fault) __syncthreads();
  out[threadIdx.x] = cells[blockDim.x - 1 - threadIdx.x];  // fault: reverse
}

__global__ void neighbor_warp(const int* in, int* out, bool fault) {
  __shared__ int cells[kThreads];
  cells[threadIdx.x] = in[threadIdx.x];
  __syncwarp();
  if (!fault) __syncthreads();
  out[threadIdx.x] = cells[(threadIdx.x + 32) % kThreads];  // fault: neighbor_warp
}

__global__ void neighbor_lane(const int* in, int* out, bool fault) {
  __shared__ int cells[32];
  cells[threadIdx.x] = in[threadIdx.x];
  const int sum = __shfl_xor_sync(kAllLanes, in[threadIdx.x], 1);
  if (!fault) __syncwarp();
  out[threadIdx.x] = cells[threadIdx.x ^ 1u] + 0 * sum;  // fault: neighbor_lane
}

__global__ void two_turns(const int* in, int* out, bool fault) {
  __shared__ int cells[32];
  int sum = 0;
  for (unsigned turn = 0; turn < 2; ++turn) {
    if (threadIdx.x % 32 == 0) cells[threadIdx.x / 32] = in[turn];  // fault: two_turns
    __syncthreads();
    sum += cells[(threadIdx.x + 1) % 32];
    if (!fault) __syncthreads();
  }
  out[threadIdx.x] = sum;
}

__global__ void one_cell(int* out, bool fault) {
  if (threadIdx.x == 0) out[fault ? 0 : blockIdx.x] = 1;  // fault: one_cell
}

__global__ void fill(float* out, unsigned n, bool fault) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (fault ? i <= n : i < n) out[i] = 1;  // fault: fill
}

__global__ void through_shared(float* out, unsigned n, bool fault) {
  __shared__ float cells[kThreads];
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  cells[threadIdx.x + fault] = 1;  // fault: through_shared
  __syncthreads();
  if (i < n) out[i] = cells[threadIdx.x] * 0 + 1;
}

__global__ void through_dynamic(float* out, bool fault) {
  float* cells = dynamic_shared<float>();
  cells[threadIdx.x + fault] = 1;  // fault: through_dynamic
  __syncthreads();
  out[threadIdx.x] = cells[threadIdx.x];
}

__global__ void through_registers(float* out, unsigned n, bool fault) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  float parts[4];
  for (unsigned k = 0; k < 4 + fault; ++k) parts[k] = 0.25f;  // fault: through_registers
  if (i < n) out[i] = parts[0] + parts[1] + parts[2] + parts[3];
}

__global__ void fill_but_one(float* out, unsigned n, bool fault) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n && !(fault && i == n / 2)) out[i] = 1;
}

__global__ void sum_of_shared(float* out, unsigned n, bool fault) {
  __shared__ float cells[kThreads];
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (!fault || threadIdx.x != 7) cells[threadIdx.x] = 1;
  __syncthreads();
  if (i < n) out[i] = cells[threadIdx.x ^ 1u];
}

__global__ void barrier_of_some(float* out, unsigned n, bool fault) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (fault && i >= n) return;
  __syncthreads();
  if (i < n) out[i] = 1;
}

__global__ void strided_copy(const float* in, float* out, unsigned n, unsigned stride) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, rows = n / stride;
  const unsigned at = i % rows * stride + i / rows;
  out[at] = in[at];  // fault: strided_copy
}

template <unsigned pitch>
__global__ void column(const float* in, float* out) {
  __shared__ float tile[32 * pitch];
  for (unsigned r = 0; r < 32; ++r) tile[r * pitch + threadIdx.x] = in[r * 32 + threadIdx.x];
  __syncwarp();
  float sum = 0;
  for (unsigned c = 0; c < 32; ++c) sum += tile[threadIdx.x * pitch + c];  // fault: column
  out[threadIdx.x] = sum;
}

__global__ void two_sums(const float* in, float* out) {
  const float once = block_reduce<kThreads>(in[threadIdx.x], Add());
  out[threadIdx.x] = once + block_reduce<kThreads>(2 * in[threadIdx.x], Add());
}

}  // namespace

void reverse_without_barrier(const int* in, int* out, unsigned n, bool fault) {
  launch(reverse, 1, n, 0, nullptr, in, out, fault);
}
void cross_warp_read(const int* in, int* out, bool fault) {
  launch(neighbor_warp, 1, kThreads, 0, nullptr, in, out, fault);
}
void shuffle_as_barrier(const int* in, int* out, bool fault) {
  launch(neighbor_lane, 1, 32, 0, nullptr, in, out, fault);
}
void second_turn(const int* in, int* out, bool fault) {
  launch(two_turns, 1, 1024, 0, nullptr, in, out, fault);
}
void blocks_write_one_cell(int* out, unsigned blocks, bool fault) {
  launch(one_cell, blocks, 256, 0, nullptr, out, fault);
}
void store_past_the_end(float* out, unsigned n, bool fault) {
  launch(fill, blocks_for(n + 1, kThreads), kThreads, 0, nullptr, out, n, fault);
}
void shared_past_the_end(float* out, unsigned n, bool fault) {
  launch(through_shared, blocks_for(n, kThreads), kThreads, 0, nullptr, out, n, fault);
}
void dynamic_shared_past_the_end(float* out, unsigned n, bool fault) {
  launch(through_dynamic, 1, n, n * sizeof(float), nullptr, out, fault);
}
void registers_past_the_end(float* out, unsigned n, bool fault) {
  launch(through_registers, blocks_for(n, kThreads), kThreads, 0, nullptr, out, n, fault);
}
void leave_one_unwritten(float* out, unsigned n, bool fault) {
  launch(fill_but_one, blocks_for(n, kThreads), kThreads, 0, nullptr, out, n, fault);
}
void read_shared_unwritten(float* out, unsigned n, bool fault) {
  launch(sum_of_shared, blocks_for(n, kThreads), kThreads, 0, nullptr, out, n, fault);
}
void skip_a_barrier(float* out, unsigned n, bool fault) {
  launch(barrier_of_some, blocks_for(n, kThreads), kThreads, 0, nullptr, out, n, fault);
}
void reduce_twice(const float* in, float* out) {
  launch(two_sums, 1, kThreads, 0, nullptr, in, out);
}
void copy_strided(const float* in, float* out, unsigned n, unsigned stride) {
  launch(strided_copy, blocks_for(n, 256), 256, 0, nullptr, in, out, n, stride);
}
void read_column(const float* in, float* out, bool padded) {
  launch(padded ? column<33> : column<32>, 1, 32, 0, nullptr, in, out);
}

}  // namespace saccade::faults
