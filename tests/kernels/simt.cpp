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

// Each row of 64 threads has one function of lane and value.
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

// What CUDA gives a single thread: each line fills a row of 64 threads.
__global__ void language(int* out, unsigned* counters) {
  const unsigned t = threadIdx.x;
  out[0 * 64 + t] = __syncthreads_count(t % 3 == 0);
  out[1 * 64 + t] = __syncthreads_or(t == 63) + 2 * __syncthreads_or(0);
  out[2 * 64 + t] = __syncthreads_and(t < 64) + 2 * __syncthreads_and(t != 5);
  out[3 * 64 + t] = static_cast<int>(__match_any_sync(kAllLanes, t % 4));
  int all = 0;
  const unsigned same = __match_all_sync(kAllLanes, t / 32, &all);
  out[4 * 64 + t] = same == kAllLanes && all == 1 && __match_all_sync(kAllLanes, t, &all) == 0 && all == 0;
  out[5 * 64 + t] = __reduce_add_sync(kAllLanes, static_cast<int>(t) - 40);
  out[6 * 64 + t] = __reduce_min_sync(kAllLanes, -static_cast<int>(t)) +
                    1000 * __reduce_max_sync(kAllLanes, static_cast<int>(t));
  out[7 * 64 + t] = static_cast<int>(__reduce_or_sync(kAllLanes, 1u << (t % 8)) +
                                     (__reduce_and_sync(kAllLanes, t | 64) << 8) +
                                     (__reduce_xor_sync(kAllLanes, t & 31u) << 16));
  out[8 * 64 + t] = static_cast<int>(atomicAdd(&counters[0], 1u));  // each thread gets another number
  atomicMax(&counters[1], t);
  atomicMin(&counters[2], t);
  atomicOr(&counters[3], 1u << (t % 32));
  atomicCAS(&counters[4], 7u, 9u);
  atomicInc(&counters[5], 6);
  if (t == 0) atomicExch(&counters[6], 123u);
  atomicAdd(reinterpret_cast<float*>(&counters[7]), 0.5f);
}

__global__ void two_barriers() {
  if (threadIdx.x < 16)
    __syncthreads();
  else
    __syncthreads();
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

__global__ void hinted_to_shared() {
  __shared__ float numbers[4];
  __stwb(&numbers[threadIdx.x], 1.0f);
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

TEST_CASE("simt has the counting barriers, matches, reductions and atomics") {
  std::vector<int> out(9 * 64);
  std::vector<unsigned> counters = {0, 0, 1000, 0, 7, 0, 0, 0};
  launch(language, 1, 64, 0, nullptr, out.data(), counters.data());
  std::vector<bool> ticket(64);
  for (unsigned t = 0; t < 64; ++t) {
    INFO("thread " << t);
    const int warp = static_cast<int>(t / 32);
    CHECK(out[t] == 22);
    CHECK(out[64 + t] == 1);
    CHECK(out[128 + t] == 1);
    CHECK(out[192 + t] == static_cast<int>(0x11111111u << t % 4));
    CHECK(out[256 + t] == 1);
    CHECK(out[320 + t] == 31 * 16 + 32 * (32 * warp - 40));
    CHECK(out[384 + t] == -(32 * warp + 31) + 1000 * (32 * warp + 31));
    CHECK(out[448 + t] == 0xff + ((64 + 32 * warp) << 8));
    ticket[static_cast<size_t>(out[512 + t])] = true;
  }
  CHECK(ticket == std::vector<bool>(64, true));
  CHECK(counters == std::vector<unsigned>{64, 63, 0, kAllLanes, 9, 64 % 7, 123, __float_as_uint(32.0f)});
}

TEST_CASE("simt functions of one thread are CUDA's") {
  CHECK(__brev(1) == 0x80000000u);
  CHECK((__ffsll(1ll << 40) == 41 && __clzll(1) == 63 && __clz(0) == 32 && __popcll(~0ull) == 64));
  CHECK(__byte_perm(0x33221100u, 0x77665544u, 0x7410) == 0x77441100u);
  CHECK(__funnelshift_r(0x80000000u, 1u, 31) == 3u);
  CHECK((__mul24(-3, 5) == -15 && __umulhi(~0u, 2) == 1 && __mulhi(-1, 1) == -1));
  CHECK((__float2int_rn(2.5f) == 2 && __float2int_rn(3e10f) == 0x7fffffff && __float2int_rz(-2.9f) == -2));
  CHECK((__float2int_rd(-2.1f) == -3 && __float2int_rn(NAN) == 0 && __float2uint_rn(-1.0f) == 0));
  CHECK((__saturatef(NAN) == 0 && __saturatef(2) == 1 && __saturatef(0.25f) == 0.25f));
  CHECK((min(3, 5u) == 3u && max(NAN, 1.0f) == 1.0f && min(-1, 2) == -1 && max(int64_t{1} << 40, 1) > 1));
  CHECK(__int_as_float(__float_as_int(-0.5f)) == -0.5f);
  CHECK((sizeof(float4) == 16 && alignof(float4) == 16 && alignof(uint2) == 8 && alignof(uchar4) == 4));
  alignas(16) float x[4] = {1, 2, 3, 4};
  __stcs(reinterpret_cast<float2*>(x), make_float2(7, 8));
  CHECK(__ldg(reinterpret_cast<const float4*>(x)).y == 8);
}

TEST_CASE("simt names a barrier that part of a block does not reach") {
  const std::string message = message_of([] { launch(divergent_barrier, 4, 96, 0, nullptr, 70u); });
  CHECK_THAT(message, ContainsSubstring("tests/kernels/simt.cpp:") && ContainsSubstring("block (1, 0, 0)") &&
                          ContainsSubstring("thread (0, 0, 0)") &&
                          ContainsSubstring("waits at __syncthreads of ") &&
                          ContainsSubstring("thread (70, 0, 0) has left"));
  // A launch without the fault goes on afterwards.
  CHECK(message_of([] { launch(divergent_barrier, 4, 96, 0, nullptr, 96u); }) == "no error");
  CHECK_THAT(message_of([] { launch(barrier_against_exchange, 1, 32, 0, nullptr); }),
             ContainsSubstring("while thread (16, 0, 0) waits in a warp exchange"));
  CHECK_THAT(message_of([] { launch(two_barriers, 1, 32, 0, nullptr); }),
             ContainsSubstring("waits at __syncthreads of") && ContainsSubstring("while thread"));
}

TEST_CASE("simt names a hinted access to shared memory") {
  CHECK_THAT(message_of([] { launch(hinted_to_shared, 1, 4, 0, nullptr); }),
             ContainsSubstring("to shared memory"));
}

TEST_CASE("simt names an unaligned vector access and a block that is too large") {
  alignas(16) float x[8] = {};
  CHECK_THAT(message_of([&] { launch(unaligned, 1, 4, 0, nullptr, x); }),
             ContainsSubstring("unaligned") && ContainsSubstring("thread (2, 0, 0)"));
  CHECK_THAT(message_of([] { launch(divergent_barrier, 1, 1025, 0, nullptr, 0u); }),
             ContainsSubstring("1025 threads"));
}

#endif  // SACCADE_SIMT
