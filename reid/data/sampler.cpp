#include "reid/data/sampler.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "kernels/common/error.h"
#include "kernels/common/philox.h"
#include "reid/data/streams.h"

namespace saccade {
namespace {

// Makes the first `count` places a random choice without repetition, in random order (Fisher and Yates).
template <class T>
void shuffle_front(std::vector<T>& values, size_t count, PhiloxStream& random) {
  for (size_t i = 0; i < count && i + 1 < values.size(); ++i)
    std::swap(values[i], values[i + random.below(static_cast<uint32_t>(values.size() - i))]);
}

// The groups of K that one identity gives in this epoch.
std::vector<std::vector<int64_t>> groups_of(std::vector<int64_t> records, size_t k, PhiloxStream& random) {
  std::vector<std::vector<int64_t>> groups;
  if (records.size() < k) {
    groups.emplace_back();
    for (size_t i = 0; i < k; ++i)
      groups.back().push_back(records[random.below(static_cast<uint32_t>(records.size()))]);
    return groups;
  }
  shuffle_front(records, records.size(), random);
  for (size_t begin = 0; begin + k <= records.size(); begin += k)
    groups.emplace_back(records.begin() + static_cast<int64_t>(begin),
                        records.begin() + static_cast<int64_t>(begin + k));
  return groups;
}

}  // namespace

PkSampler::PkSampler(const std::vector<int64_t>& labels, int64_t identities, int64_t images_per_identity,
                     uint64_t seed)
    : identities_(identities), images_(images_per_identity), seed_(seed) {
  check(identities >= 1 && images_per_identity >= 1, "PK sampler: P = ", identities,
        " and K = ", images_per_identity, " must be at least 1");
  std::map<int64_t, std::vector<int64_t>> by_label;
  for (size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= 0) by_label[labels[i]].push_back(static_cast<int64_t>(i));
  check_input(!by_label.empty(), "PK sampler: no training picture with an identity");
  for (auto& entry : by_label) records_of_.push_back(std::move(entry.second));
  identities_ = std::min(identities_, static_cast<int64_t>(records_of_.size()));
}

Batches PkSampler::batches(int64_t epoch) const {
  PhiloxStream random(seed_, data_stream(DataStream::sampler, epoch, 0));
  std::vector<std::vector<std::vector<int64_t>>> groups;  // of each identity; batches take them from the back
  for (const auto& records : records_of_)
    groups.push_back(groups_of(records, static_cast<size_t>(images_), random));
  std::vector<size_t> available(groups.size());
  std::iota(available.begin(), available.end(), size_t{0});

  Batches batches;
  const size_t p = static_cast<size_t>(identities_);
  while (available.size() >= p) {
    shuffle_front(available, p, random);
    std::vector<int64_t>& batch = batches.emplace_back();
    for (size_t i = 0; i < p; ++i) {
      auto& left = groups[available[i]];
      batch.insert(batch.end(), left.back().begin(), left.back().end());
      left.pop_back();
    }
    available.erase(
        std::remove_if(available.begin(), available.end(), [&](size_t id) { return groups[id].empty(); }),
        available.end());
  }
  return batches;
}

Batches sequential_batches(int64_t count, int64_t batch_size) {
  check(batch_size >= 1, "batch size ", batch_size, " must be at least 1");
  Batches batches;
  for (int64_t begin = 0; begin < count; begin += batch_size) {
    std::vector<int64_t>& batch =
        batches.emplace_back(static_cast<size_t>(std::min(batch_size, count - begin)));
    std::iota(batch.begin(), batch.end(), begin);
  }
  return batches;
}

Batches shuffled_batches(int64_t count, int64_t batch_size, uint64_t seed, int64_t epoch) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  PhiloxStream random(seed, data_stream(DataStream::sampler, epoch, 1));
  shuffle_front(order, order.size(), random);
  Batches batches = sequential_batches(count, batch_size);
  if (batches.size() > 1 && static_cast<int64_t>(batches.back().size()) < batch_size) batches.pop_back();
  for (auto& batch : batches)
    for (int64_t& index : batch) index = order[static_cast<size_t>(index)];
  return batches;
}

}  // namespace saccade
