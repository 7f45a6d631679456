// Prefetch around made-up makers: what it promises for every maker, without a picture.
#include "reid/data/prefetch.h"

#include <array>
#include <atomic>
#include <chrono>
#include <string>

#include "kernels/common/philox.h"
#include "reid/data/sampler.h"
#include "tests/common/catch.h"

using namespace saccade;

namespace {

constexpr int kWorkers[] = {0, 1, 2, 3, 9};

// A batch that takes longer or shorter at random, so that workers overtake each other.
void dawdle(int64_t index) {
  PhiloxStream random(17, static_cast<uint64_t>(index));
  std::this_thread::sleep_for(std::chrono::microseconds(random.below(300)));
}

using Numbers = std::vector<int64_t>;

void make_numbers(int64_t index, Numbers& batch, NoScratch&) {
  dawdle(index);
  batch.assign(3, index);
}

std::vector<Numbers> all_of_them(Prefetch<Numbers>& prefetch) {
  std::vector<Numbers> batches;
  for (Numbers batch; prefetch.next(batch);) batches.push_back(batch);
  return batches;
}

std::vector<Numbers> numbers(int64_t first, int64_t end) {
  std::vector<Numbers> batches;
  for (int64_t i = first; i < end; ++i) batches.push_back(Numbers(3, i));
  return batches;
}

}  // namespace

TEST_CASE("batches come in order, for any number of workers and from any first batch") {
  for (const int workers : kWorkers)
    for (const int ahead : {1, 2, 20}) {
      INFO(workers << " workers, " << ahead << " ahead");
      Prefetch<Numbers> prefetch(workers, ahead, make_numbers);
      CHECK(all_of_them(prefetch).empty());  // nothing was started
      prefetch.start(0, 40);
      CHECK(all_of_them(prefetch) == numbers(0, 40));
      CHECK(all_of_them(prefetch).empty());
      prefetch.start(37, 40);
      CHECK(all_of_them(prefetch) == numbers(37, 40));
      prefetch.start(40, 40);
      CHECK(all_of_them(prefetch).empty());
    }
}

TEST_CASE("an error is thrown at its batch, and the range is over") {
  for (const int workers : kWorkers) {
    INFO(workers << " workers");
    Prefetch<Numbers> prefetch(workers, 4, [](int64_t index, Numbers& batch, NoScratch& scratch) {
      check_input(index != 5 && index != 6, "batch ", index, " is bad");
      make_numbers(index, batch, scratch);
    });
    prefetch.start(0, 20);
    Numbers batch;
    for (int64_t i = 0; i < 5; ++i) {
      REQUIRE(prefetch.next(batch));
      CHECK(batch == Numbers(3, i));
    }
    CHECK_THROWS_WITH(prefetch.next(batch), "batch 5 is bad");
    CHECK_FALSE(prefetch.next(batch));
    prefetch.start(7, 20);  // others can still be had
    CHECK(all_of_them(prefetch) == numbers(7, 20));
  }
}

TEST_CASE("a prefetch is stopped, started anew or destroyed at any time") {
  for (int trial = 0; trial < 60; ++trial) {
    std::atomic<bool> alive = true;
    {
      Prefetch<Numbers> prefetch(trial % 4, 1 + trial % 3, [&](int64_t index, Numbers& batch, NoScratch& s) {
        check(alive, "a batch is made after stop()");
        make_numbers(index, batch, s);
      });
      prefetch.start(0, INT64_MAX);  // a range without end
      Numbers batch;
      for (int i = 0; i < trial % 5; ++i) REQUIRE(prefetch.next(batch));
      if (trial % 2) {
        prefetch.start(100, 103);
        CHECK(all_of_them(prefetch) == numbers(100, 103));
        prefetch.start(0, INT64_MAX);
      }
      if (trial % 3) {
        prefetch.stop();
        alive = false;
        CHECK_FALSE(prefetch.next(batch));
      }
    }
    alive = false;
  }
}

TEST_CASE("no more batches are made ahead than were asked for") {
  for (const int workers : {1, 2, 3}) {
    const int ahead = 4;
    std::atomic<int64_t> begun = 0;
    Prefetch<Numbers> prefetch(workers, ahead, [&](int64_t index, Numbers& batch, NoScratch& scratch) {
      ++begun;
      make_numbers(index, batch, scratch);
    });
    prefetch.start(0, 100);
    Numbers batch;
    for (int64_t given = 1; given <= 20; ++given) {
      REQUIRE(prefetch.next(batch));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      CHECK(begun <= given + ahead);
    }
  }
}

TEST_CASE("each worker keeps a scratch of its own, and batches keep their memory") {
  struct Buffer {
    static std::atomic<int>& made() {
      static std::atomic<int> count = 0;
      return count;
    }
    Buffer() { ++made(); }
    std::atomic<bool> busy = false;
  };
  struct Counted {
    int64_t index = -1, uses = 0;
  };
  for (const int workers : kWorkers) {
    Buffer::made() = 0;
    Prefetch<Counted, Buffer> prefetch(workers, 4, [&](int64_t index, Counted& batch, Buffer& buffer) {
      check(!buffer.busy.exchange(true), "two workers share a scratch");
      batch.index = index;
      ++batch.uses;
      dawdle(index);
      buffer.busy = false;
    });
    int64_t most = 0;
    for (int epoch = 0; epoch < 3; ++epoch) {
      prefetch.start(0, 30);
      Counted batch;
      for (int64_t i = 0; i < 30; ++i) {
        REQUIRE(prefetch.next(batch));
        CHECK(batch.index == i);
        most = std::max(most, batch.uses);
      }
    }
    CHECK(Buffer::made() == std::max(workers, 1));
    CHECK(most >= 5);  // 90 batches went through at most max(4, workers) + 3 objects
  }
}

TEST_CASE("impossible settings are refused") {
  CHECK_THROWS_AS(Prefetch<Numbers>(-1, 4, make_numbers), Error);
  CHECK_THROWS_AS(Prefetch<Numbers>(1, 0, make_numbers), Error);
  Prefetch<Numbers> prefetch(1, 1, make_numbers);
  CHECK_THROWS_AS(prefetch.start(-1, 3), Error);
  CHECK_THROWS_AS(prefetch.start(4, 3), Error);
}

// The kinds of batches that the systems need, each as a maker of its own.

TEST_CASE("clips with their flow: the flow of each frame but the last, from frames that the worker holds") {
  struct Clips {
    std::vector<int> frames;                // [clips, length]
    std::vector<std::pair<int, int>> flow;  // [clips, length - 1]
  };
  struct Decoded {
    std::vector<int> clip;
  };
  constexpr int kLength = 6;
  const Batches tracklets = sequential_batches(20, 4);
  for (const int workers : kWorkers) {
    Prefetch<Clips, Decoded> prefetch(workers, 2, [&](int64_t index, Clips& batch, Decoded& decoded) {
      batch.frames.clear();
      batch.flow.clear();
      for (const int64_t tracklet : tracklets[static_cast<size_t>(index)]) {
        decoded.clip.clear();
        for (int t = 0; t < kLength; ++t) decoded.clip.push_back(static_cast<int>(100 * tracklet) + t);
        batch.frames.insert(batch.frames.end(), decoded.clip.begin(), decoded.clip.end());
        for (int t = 0; t + 1 < kLength; ++t) batch.flow.emplace_back(decoded.clip[t], decoded.clip[t + 1]);
      }
    });
    prefetch.start(0, static_cast<int64_t>(tracklets.size()));
    Clips batch;
    for (int b = 0; b < 5; ++b) {
      REQUIRE(prefetch.next(batch));
      REQUIRE(batch.frames.size() == 4u * kLength);
      CHECK(batch.frames[0] == 400 * b);
      REQUIRE(batch.flow.size() == 4u * (kLength - 1));
      CHECK(batch.flow.back() == std::pair(400 * b + 304, 400 * b + 305));
    }
    CHECK_FALSE(prefetch.next(batch));
  }
}

TEST_CASE("six tasks with samplers of their own, one batch of each a step, and a step to resume from") {
  constexpr size_t kTasks = 6;
  using Step = std::array<std::vector<int64_t>, kTasks>;
  std::vector<PkSampler> samplers;
  for (size_t task = 0; task < kTasks; ++task) {
    std::vector<int64_t> labels;
    for (int64_t i = 0; i < 24 + 8 * static_cast<int64_t>(task); ++i) labels.push_back(i / 4);
    samplers.emplace_back(labels, 2, 2, task);
  }
  // Epochs of different lengths: a task begins its next one when its batches are used up.
  const auto batch_of = [&](size_t task, int64_t step) {
    for (int64_t epoch = 0;; ++epoch) {
      const Batches batches = samplers[task].batches(epoch);
      if (step < static_cast<int64_t>(batches.size())) return batches[static_cast<size_t>(step)];
      step -= static_cast<int64_t>(batches.size());
    }
  };
  const auto make = [&](int64_t index, Step& step, NoScratch&) {
    for (size_t task = 0; task < kTasks; ++task) step[task] = batch_of(task, index);
  };
  for (const int workers : kWorkers) {
    Prefetch<Step> whole(workers, 3, make), resumed(workers, 3, make);
    whole.start(0, INT64_MAX);
    resumed.start(13, INT64_MAX);
    Step step, again;
    for (int64_t i = 0; i < 30; ++i) {
      REQUIRE(whole.next(step));
      CHECK(step[0] == batch_of(0, i));
      CHECK(step[5] == batch_of(5, i));
      if (i < 13) continue;
      REQUIRE(resumed.next(again));
      CHECK(again == step);
    }
  }
}
