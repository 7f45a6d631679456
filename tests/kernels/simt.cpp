// The simt device itself: that threads, barriers and warps are where CUDA puts them, and that a broken rule
// is named.
#ifdef SACCADE_SIMT

#define SACCADE_SIMT_TARGET 1  // launch() of this file starts fibers
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/common/launch.h"
#include "tests/common/catch.h"

using namespace saccade;

namespace {

__global__ void count_threads(int* seen) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  ++seen[block * blockDim.x * blockDim.y * blockDim.z + thread];
}

__global__ void reverse_block(const int* in, int* out) {
  __shared__ int shared[256];
  for (int round = 0; round < 3; ++round) {
    shared[threadIdx.x] = in[blockIdx.x * blockDim.x + threadIdx.x] + round;
    __syncthreads();
    out[blockIdx.x * blockDim.x + threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
    __syncthreads();
  }
}

__global__ void sum_tree(const int* in, int* out) {
  int* sums = dynamic_shared<int>();
  sums[threadIdx.x] = in[threadIdx.x];
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  __syncthreads();
  if (threadIdx.x == 0) *out = sums[0];
}

// One function of lane and value a row of 64 threads.
__global__ void shuffles(unsigned* out) {
  const unsigned t = threadIdx.x, value = 100 + t;
  out[0 * 64 + t] = __shfl_sync(kAllLanes, value, 5);
  out[1 * 64 + t] = __shfl_xor_sync(kAllLanes, value, 3);
  out[2 * 64 + t] = __shfl_down_sync(kAllLanes, value, 4);
  out[3 * 64 + t] = __shfl_up_sync(kAllLanes, value, 4);
  out[4 * 64 + t] = __shfl_sync(kAllLanes, value, 1, 8);
  out[5 * 64 + t] = __shfl_down_sync(kAllLanes, value, 4, 8);
  out[6 * 64 + t] = __ballot_sync(kAllLanes, t % 3 == 0);
  out[7 * 64 + t] = static_cast<unsigned>(__shfl_sync(kAllLanes, uint64_t{t} << 40, 7) >> 40);
  out[8 * 64 + t] = static_cast<unsigned>(__any_sync(kAllLanes, t == 40)) +
                    2 * static_cast<unsigned>(__all_sync(kAllLanes, t < 40));
  if (t % 32 < 16)
    out[9 * 64 + t] = __ballot_sync(0x0000ffffu, t % 2 == 0);  // each half of a warp on its own
  else
    out[9 * 64 + t] = __shfl_xor_sync(0xffff0000u, value, 1);
}

__global__ void ballot_of_the_rest(unsigned* out) {
  if (threadIdx.x == 3) return;
  out[threadIdx.x] = __ballot_sync(kAllLanes, 1);
}

__global__ void read_who_left(unsigned* out) {
  if (threadIdx.x == 3) return;
  out[threadIdx.x] = __shfl_sync(kAllLanes, threadIdx.x, 3);
}

__global__ void divergent_barrier(unsigned from) {
  if (blockIdx.x == 1 && threadIdx.x >= from) return;
  __syncthreads();
}

__global__ void barrier_against_exchange() {
  if (threadIdx.x < 16)
    __syncthreads();
  else
    __syncwarp();
}

__global__ void unaligned(const float* x) {
  if (threadIdx.x == 2) simt::check_aligned(x + 1, 16);  // as load<16> does
}

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("simt runs every thread of every block once, in three dimensions") {
  std::vector<int> seen(2 * 3 * 4 * 5 * 3 * 2);
  launch(count_threads, {2, 3, 4}, dim3(5, 3, 2), 0, nullptr, seen.data());
  CHECK(seen == std::vector<int>(seen.size(), 1));
  launch(count_threads, {2, 0, 4}, dim3(5, 3, 2), 0, nullptr, seen.data());  // an empty grid
  CHECK(seen == std::vector<int>(seen.size(), 1));
}

TEST_CASE("simt barriers order shared memory") {
  for (const unsigned threads : {1u, 7u, 32u, 255u, 256u}) {
    std::vector<int> in(3 * threads), out(3 * threads), expected;
    std::iota(in.begin(), in.end(), 0);
    launch(reverse_block, 3, threads, 0, nullptr, in.data(), out.data());
    for (unsigned block = 0; block < 3; ++block)
      for (unsigned t = 0; t < threads; ++t) expected.push_back(in[(block + 1) * threads - 1 - t] + 2);
    CHECK(out == expected);
  }
  std::vector<int> in(1024);
  std::iota(in.begin(), in.end(), 1);
  int sum = 0;
  launch(sum_tree, 1, 1024, 1024 * sizeof(int), nullptr, in.data(), &sum);
  CHECK(sum == 1024 * 1025 / 2);
}

TEST_CASE("simt shuffles and votes") {
  std::vector<unsigned> out(10 * 64);
  launch(shuffles, 1, 64, 0, nullptr, out.data());
  for (unsigned t = 0; t < 64; ++t) {
    INFO("thread " << t);
    const unsigned warp = t / 32 * 32, lane = t % 32;
    CHECK(out[t] == 100 + warp + 5);
    CHECK(out[64 + t] == 100 + (t ^ 3u));
    CHECK(out[128 + t] == 100 + (lane + 4 < 32 ? t + 4 : t));
    CHECK(out[192 + t] == 100 + (lane >= 4 ? t - 4 : t));
    CHECK(out[256 + t] == 100 + t / 8 * 8 + 1);
    CHECK(out[320 + t] == 100 + (t % 8 < 4 ? t + 4 : t));
    unsigned ballot = 0;
    for (unsigned i = 0; i < 32; ++i) ballot |= static_cast<unsigned>((warp + i) % 3 == 0) << i;
    CHECK(out[384 + t] == ballot);
    CHECK(out[448 + t] == warp + 7);
    CHECK(out[512 + t] == (warp == 0 ? 2u : 1u));
    CHECK(out[576 + t] == (lane < 16 ? 0x5555u : 100 + (t ^ 1u)));
  }
}

TEST_CASE("simt lets a warp vote without the lanes that left, and refuses to read them") {
  std::vector<unsigned> out(40);
  launch(ballot_of_the_rest, 1, 40, 0, nullptr, out.data());  // the second warp has 8 lanes
  for (unsigned t = 0; t < 40; ++t) CHECK(out[t] == (t == 3 ? 0 : t < 32 ? ~8u : 0xffu));
  const std::string message = message_of([&] { launch(read_who_left, 1, 40, 0, nullptr, out.data()); });
  CHECK_THAT(message, ContainsSubstring("shuffle reads a lane") && ContainsSubstring("simt.cpp:"));
}

TEST_CASE("simt names a barrier that part of a block does not reach") {
  const std::string message = message_of([] { launch(divergent_barrier, 4, 96, 0, nullptr, 70u); });
  CHECK_THAT(message, ContainsSubstring("tests/kernels/simt.cpp:") && ContainsSubstring("block (1, 0, 0)") &&
                          ContainsSubstring("thread (0, 0, 0)") &&
                          ContainsSubstring("waits at __syncthreads") &&
                          ContainsSubstring("thread (70, 0, 0) has left"));
  CHECK(message_of([] { launch(divergent_barrier, 4, 96, 0, nullptr, 96u); }) ==
        "no error");  // and goes on after it
  CHECK_THAT(message_of([] { launch(barrier_against_exchange, 1, 32, 0, nullptr); }),
             ContainsSubstring("waits at __syncthreads while thread (16, 0, 0) waits in a warp exchange"));
}

TEST_CASE("simt names an unaligned vector access and a block that is too large") {
  alignas(16) float x[8] = {};
  CHECK_THAT(message_of([&] { launch(unaligned, 1, 4, 0, nullptr, x); }),
             ContainsSubstring("unaligned") && ContainsSubstring("thread (2, 0, 0)"));
  CHECK_THAT(message_of([] { launch(divergent_barrier, 1, 1025, 0, nullptr, 0u); }),
             ContainsSubstring("1025 threads"));
}

#endif  // SACCADE_SIMT
