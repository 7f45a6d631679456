// What this processor can do at most, as a JSON line: how fast threads copy memory, and how many f32 multiply-adds they
// do. The rows of bench/compare/interleave.py are read against it.
//   bench_roofs [--threads N]
//     copy_gb_per_second     read and written bytes together, of blocks far larger than any cache
//     gflops_one, gflops_all f32, a multiply-add counts as two, of one thread and of all
//     vector_bits            of the instructions that did them
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <vector>

#include "kernels/common/clock.h"
#include "kernels/common/parallel.h"

using namespace saccade;

namespace {

constexpr int kTries = 20;

double least_seconds(const std::function<void()>& work) {
  double least = 1e9;
  for (int i = 0; i < kTries; ++i) {
    const double before = now();
    work();
    least = std::min(least, now() - before);
  }
  return least;
}

double copied_bytes_per_second(const Context& context) {
  constexpr int64_t kBytes = int64_t{512} << 20;
  std::vector<char> from(kBytes, 1), to(kBytes);
  const double seconds = least_seconds([&] {
    parallel_for(context, context.threads(), 1, [&](int64_t begin, int64_t end) {
      const int64_t first = kBytes / context.threads() * begin, last = kBytes / context.threads() * end;
      std::memcpy(to.data() + first, from.data() + first, static_cast<size_t>(last - first));
    });
  });
  return 2.0 * kBytes / seconds;
}

// --- Multiply-adds: chains in registers, enough of them to hide the latency of one ---
constexpr int kChains = 12;

template <class Vector>
[[gnu::always_inline]] inline void multiply_add(int64_t rounds, float* sum) {
  const Vector scale = Vector{} + 0.5f, shift = Vector{} + 1.0f;
  Vector chains[kChains];
  for (int c = 0; c < kChains; ++c)
    chains[c] = Vector{} + static_cast<float>(c + 3);  // alike, they would be one
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (Vector& chain : chains) chain = chain * scale + shift;
  }
  for (const Vector& chain : chains) *sum += chain[0];
}

using Four [[gnu::vector_size(16)]] = float;
void four_at_once(int64_t rounds, float* sum) {
  multiply_add<Four>(rounds, sum);
}

#ifdef __x86_64__
using Eight [[gnu::vector_size(32)]] = float;
[[gnu::target("avx2,fma")]] void eight_at_once(int64_t rounds, float* sum) {
  multiply_add<Eight>(rounds, sum);
}
using Sixteen [[gnu::vector_size(64)]] = float;
[[gnu::target("avx512f")]] void sixteen_at_once(int64_t rounds, float* sum) {
  multiply_add<Sixteen>(rounds, sum);
}
#endif

struct Unit {
  int lanes;
  void (*run)(int64_t rounds, float* sum);
};

Unit widest_unit() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512f")) return {16, sixteen_at_once};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {8, eight_at_once};
#endif
  return {4, four_at_once};
}

double operations_per_second(const Context& context, const Unit& unit) {
  constexpr int64_t kRounds = 2'000'000;
  std::vector<float> sums(static_cast<size_t>(context.threads()));
  const double seconds = least_seconds([&] {
    parallel_for(context, context.threads(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        float sum = 0;
        unit.run(kRounds, &sum);
        sums[static_cast<size_t>(i)] = sum;
      }
    });
  });
  return 2.0 * kRounds * kChains * unit.lanes * context.threads() / seconds;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures the roofs of this processor.");
  int threads = 2;
  app.add_option("--threads", threads)->check(CLI::PositiveNumber)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const Context one(Device::cpu, 0, 1), all(Device::cpu, 0, threads);
  const Unit unit = widest_unit();
  const nlohmann::ordered_json line = {{"threads", threads},
                                       {"copy_gb_per_second", copied_bytes_per_second(all) / 1e9},
                                       {"gflops_one", operations_per_second(one, unit) / 1e9},
                                       {"gflops_all", operations_per_second(all, unit) / 1e9},
                                       {"vector_bits", 32 * unit.lanes}};
  std::cout << line.dump() << '\n';
}
