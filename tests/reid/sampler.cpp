#include "reid/data/sampler.h"

#include <algorithm>
#include <map>
#include <set>

#include "kernels/common/error.h"
#include "tests/common/catch.h"

using namespace saccade;

namespace {

// counts[c] records of class c, interleaved as files of several cameras would be.
std::vector<int64_t> labels_with(const std::vector<int>& counts) {
  std::vector<int64_t> labels;
  for (bool more = true; more;) {
    more = false;
    for (size_t c = 0; c < counts.size(); ++c)
      if (std::count(labels.begin(), labels.end(), static_cast<int64_t>(c)) < counts[c]) {
        labels.push_back(static_cast<int64_t>(c));
        more = true;
      }
  }
  return labels;
}

}  // namespace

TEST_CASE("a PK batch holds P identities with K pictures each") {
  const std::vector<int64_t> labels = labels_with({9, 4, 7, 5, 12, 1, 2, 4, 8});
  const PkSampler sampler(labels, 3, 4, 5);
  CHECK(sampler.batch_size() == 12);
  for (int64_t epoch = 0; epoch < 20; ++epoch) {
    const Batches batches = sampler.batches(epoch);
    // 2 + 1 + 1 + 1 + 3 + 1 + 1 + 1 + 2 = 13 groups of four: at most four batches of three.
    REQUIRE(batches.size() >= 3);
    REQUIRE(batches.size() <= 4);
    std::map<int64_t, int> used;
    for (const auto& batch : batches) {
      REQUIRE(batch.size() == 12);
      std::set<int64_t> identities;
      for (size_t i = 0; i < batch.size(); ++i) {
        CHECK(labels[batch[i]] == labels[batch[i - i % 4]]);  // groups stand together
        identities.insert(labels[batch[i]]);
        ++used[batch[i]];
      }
      CHECK(identities.size() == 3);
    }
    for (const auto& [record, times] : used)
      if (labels[record] != 5 && labels[record] != 6) CHECK(times == 1);  // enough pictures: none comes twice
  }
}

TEST_CASE("an identity with one picture fills its group with it") {
  const PkSampler sampler({0, 1, 1, 1}, 2, 4, 0);
  const Batches batches = sampler.batches(0);
  REQUIRE(batches.size() == 1);
  CHECK(std::count(batches[0].begin(), batches[0].end(), int64_t{0}) == 4);
}

TEST_CASE("drawing with replacement reaches every picture") {
  const PkSampler sampler({0, 0, 0}, 1, 4, 3);
  std::set<int64_t> seen;
  for (int64_t epoch = 0; epoch < 30; ++epoch)
    for (const auto& batch : sampler.batches(epoch)) seen.insert(batch.begin(), batch.end());
  CHECK(seen.size() == 3);
}

TEST_CASE("P shrinks to the identities there are") {
  const PkSampler sampler(labels_with({4, 4}), 16, 2, 0);
  CHECK(sampler.identities_per_batch() == 2);
  CHECK(sampler.batch_size() == 4);
  CHECK(sampler.batches(0).size() == 2);
  CHECK_THROWS_AS(PkSampler({}, 4, 4, 0), InputError);
  CHECK_THROWS_AS(PkSampler({-1, -1}, 4, 4, 0), InputError);
  CHECK_THROWS_AS(PkSampler({0}, 0, 4, 0), Error);
}

TEST_CASE("batches are a pure function of seed and epoch") {
  const std::vector<int64_t> labels = labels_with({9, 4, 7, 5, 12, 1, 2, 4, 8});
  const PkSampler sampler(labels, 3, 4, 5), same(labels, 3, 4, 5), other(labels, 3, 4, 6);
  const Batches third = sampler.batches(3);
  CHECK(sampler.batches(4) != third);
  CHECK(sampler.batches(3) == third);
  CHECK(same.batches(3) == third);
  CHECK(other.batches(3) != third);
}

TEST_CASE("over many epochs every picture and every identity is used alike") {
  const std::vector<int64_t> labels = labels_with({6, 6, 6, 6, 6, 6});
  const PkSampler sampler(labels, 2, 4, 1);
  std::vector<int> used(labels.size());
  for (int64_t epoch = 0; epoch < 300; ++epoch)
    for (const auto& batch : sampler.batches(epoch))
      for (const int64_t record : batch) ++used[record];
  // One group of 4 of 6 pictures an epoch: 200 times each, with a standard deviation of 8.2.
  for (const int times : used) {
    CHECK(times > 155);
    CHECK(times < 245);
  }
}

TEST_CASE("plain orders") {
  CHECK(sequential_batches(5, 2) == Batches{{0, 1}, {2, 3}, {4}});
  CHECK(sequential_batches(0, 2).empty());
  CHECK_THROWS_AS(sequential_batches(5, 0), Error);
  const Batches shuffled = shuffled_batches(11, 4, 1, 0);
  REQUIRE(shuffled.size() == 2);
  std::set<int64_t> seen;
  for (const auto& batch : shuffled) seen.insert(batch.begin(), batch.end());
  CHECK(seen.size() == 8);
  CHECK(shuffled_batches(11, 4, 1, 0) == shuffled);
  CHECK(shuffled_batches(11, 4, 1, 1) != shuffled);
  CHECK(shuffled_batches(3, 4, 1, 0)[0].size() == 3);
}
