// The team of threads: every part once, whatever the sizes, callers and exceptions.
#include "kernels/common/team.h"

#include <catch2/catch.hpp>

#include <chrono>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "kernels/common/context.h"
#include "kernels/common/parallel.h"
#include "kernels/matmul/sgemm.h"

using namespace saccade;

namespace {

// How often each of `parts` parts ran.
std::vector<int> runs_of(int threads, int parts) {
  std::vector<std::atomic<int>> runs(static_cast<size_t>(parts));
  Team::of_process().run(threads, parts, [&](int part) { ++runs[static_cast<size_t>(part)]; });
  return {runs.begin(), runs.end()};
}

// The ranges of a parallel_for, in the order of their begins.
std::vector<std::pair<int64_t, int64_t>> ranges_of(int threads, int64_t count, int64_t grain) {
  const Context context(Device::cpu, 0, threads);
  std::mutex mutex;
  std::vector<std::pair<int64_t, int64_t>> ranges;
  parallel_for(context, count, grain, [&](int64_t begin, int64_t end) {
    const std::lock_guard lock(mutex);
    ranges.emplace_back(begin, end);
  });
  std::sort(ranges.begin(), ranges.end());
  return ranges;
}

}  // namespace

TEST_CASE("a team computes every part once, while its size changes", "[team]") {
  for (int round = 0; round < 3000; ++round) {
    const int threads = 1 + round % 5, parts = 1 + round * 7 % 23;
    const std::vector<int> runs = runs_of(threads, parts);
    REQUIRE(runs == std::vector<int>(static_cast<size_t>(parts), 1));
  }
}

TEST_CASE("a region has no more threads than it asked for, though a larger one was before it", "[team]") {
  int most = 0;
  for (int round = 0; round < 100; ++round) {
    runs_of(6, 6);  // some of its threads wake up late
    std::atomic<int> now{0}, largest{0};
    Team::of_process().run(2, 8, [&](int) {
      const int together = ++now;
      for (int before = largest; before < together && !largest.compare_exchange_weak(before, together);) {
      }
      std::this_thread::sleep_for(std::chrono::microseconds(100));
      --now;
    });
    most = std::max(most, largest.load());
  }
  CHECK(most == 2);
}

TEST_CASE("a part that takes long holds up none of its thread's others", "[team]") {
  // The first part waits for all others, half of which are in its own thread's share.
  constexpr int kParts = 16;
  std::atomic<int> others{0};
  bool all_came = false;
  Team::of_process().run(2, kParts, [&](int part) {
    if (part != 0) {
      ++others;
      return;
    }
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (others < kParts - 1 && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    all_came = others == kParts - 1;
  });
  CHECK(all_came);
}

TEST_CASE("several callers and regions inside regions all come to their end", "[team]") {
  std::atomic<int64_t> sum{0}, misled{0};  // who was told a wrong place
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round)
        Team::of_process().run(3, 8, [&](int part) {
          misled += !Team::is_inside();
          Team::of_process().run(3, 4, [&](int inner) { sum += part * 4 + inner; });
          misled += !Team::is_inside();
        });
      misled += Team::is_inside();
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(misled == 0);
  CHECK(sum == int64_t{4} * 200 * (31 * 32 / 2));
}

TEST_CASE("parts that run together have a thread each and wait for each other", "[team]") {
  for (int round = 0; round < 300; ++round) {
    const int parts = 1 + round % 4;
    Team::Barrier barrier(parts);
    std::vector<int> first(static_cast<size_t>(parts)), second(first);
    std::vector<std::thread::id> threads(first.size());
    Team::of_process().run_together(parts, [&](int part) {
      threads[static_cast<size_t>(part)] = std::this_thread::get_id();
      first[static_cast<size_t>(part)] = part + 1;
      barrier.wait();
      second[static_cast<size_t>(part)] = std::accumulate(first.begin(), first.end(), 0);
      barrier.wait();
      first[static_cast<size_t>(part)] = 0;
    });
    REQUIRE(second == std::vector<int>(first.size(), parts * (parts + 1) / 2));
    std::sort(threads.begin(), threads.end());
    REQUIRE(std::unique(threads.begin(), threads.end()) == threads.end());
  }
}

TEST_CASE("the exception of the lowest part leaves a region, after all parts", "[team]") {
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> ended{0};
    const auto region = [&] {
      Team::of_process().run(3, 12, [&](int part) {
        ++ended;
        if (part == 4 || part == 7 || part == 11) throw std::runtime_error(std::to_string(part));
      });
    };
    REQUIRE_THROWS_WITH(region(), "4");
    REQUIRE(ended == 12);
  }
  REQUIRE(runs_of(3, 5) == std::vector<int>(5, 1));
}

TEST_CASE("the ranges of a parallel_for depend on count, grain and threads", "[team]") {
  using Ranges = std::vector<std::pair<int64_t, int64_t>>;
  CHECK(ranges_of(1, 100, 1) == Ranges{{0, 100}});
  CHECK(ranges_of(3, 100, 100) == Ranges{{0, 100}});
  CHECK(ranges_of(2, 3, 1) == Ranges{{0, 1}, {1, 2}, {2, 3}});
  CHECK(ranges_of(2, 80, 1) ==
        Ranges{{0, 10}, {10, 20}, {20, 30}, {30, 40}, {40, 50}, {50, 60}, {60, 70}, {70, 80}});
  CHECK(ranges_of(4, 10, 4) == Ranges{{0, 3}, {3, 6}, {6, 10}});
  CHECK(ranges_of(4, 0, 1).empty());
}

TEST_CASE("a thread begins with the end of its share that is asked for", "[team]") {
  using Range = std::pair<int64_t, int64_t>;
  const Context context(Device::cpu, 0, 2);
  const auto caller = std::this_thread::get_id();
  // The other thread takes none of the caller's ranges before the caller has begun.
  const auto first_of_caller = [&](auto&& in_parallel) {
    Range first(-1, -1);
    std::atomic<bool> has_begun{false};
    in_parallel([&](int64_t begin, int64_t end) {
      if (std::this_thread::get_id() != caller) {
        while (!has_begun) std::this_thread::yield();
      } else if (!has_begun) {
        first = {begin, end};
        has_begun = true;
      }
    });
    return first;
  };
  CHECK(first_of_caller([&](auto&& body) { parallel_for(context, 80, 1, body); }) == Range(0, 10));
  CHECK(first_of_caller([&](auto&& body) { parallel_for<Begin::last>(context, 80, 1, body); }) ==
        Range(30, 40));
}

TEST_CASE("a parallel_for that begins with the last range has the same ranges", "[team]") {
  for (const int threads : {2, 3, 4})
    for (const int64_t count : {2, 5, 9, 13, 40, 999}) {
      const Context context(Device::cpu, 0, threads);
      std::mutex mutex;
      std::vector<std::pair<int64_t, int64_t>> ranges;
      parallel_for<Begin::last>(context, count, 1, [&](int64_t begin, int64_t end) {
        const std::lock_guard lock(mutex);
        ranges.emplace_back(begin, end);
      });
      std::sort(ranges.begin(), ranges.end());
      CHECK(ranges == ranges_of(threads, count, 1));
    }
}

#if defined(SACCADE_ONEDNN) && !defined(SACCADE_ONEDNN_OPENMP)
TEST_CASE("oneDNN computes on the team", "[team]") {
  constexpr int64_t kSize = 320;
  std::vector<float> a(kSize * kSize, 1.0f), b(kSize * kSize, 2.0f), c(kSize * kSize);
  for (const int threads : {1, 2, 3}) {
    Context context(Device::cpu, 0, threads);
    const int64_t before = Team::of_process().regions();
    sgemm(context, false, false, kSize, kSize, kSize, 1, a.data(), kSize, b.data(), kSize, 0, c.data(),
          kSize);
    const int64_t regions = Team::of_process().regions() - before;
    CHECK((threads == 1 ? regions == 0 : regions > 0));
    CHECK(std::count(c.begin(), c.end(), 2.0f * kSize) == kSize * kSize);
  }
}
#endif
