// Which pictures make the batches of an epoch: a pure function of the seed and the epoch.
#pragma once

#include <cstdint>
#include <vector>

namespace saccade {

// The batches of one epoch, each a list of indices of records.
using Batches = std::vector<std::vector<int64_t>>;

// Batches of P identities with K pictures each (Hermans, Beyer, Leibe: "In defense of the triplet loss",
// 2017). Each epoch shuffles an identity's pictures and cuts them into groups of K; fewer than K that remain
// wait for another epoch. An identity with fewer than K pictures gives one group, drawn with replacement.
// Each batch takes one group from each of P random identities, one identity after another, until fewer than P
// have a group left.
class PkSampler {
 public:
  // labels[i]: the class of record i from 0; a record with a negative label is left out. With fewer than P
  // identities, P shrinks to their number. InputError if no record has a label; Error unless P, K >= 1.
  PkSampler(const std::vector<int64_t>& labels, int64_t identities, int64_t images_per_identity,
            uint64_t seed);

  Batches batches(int64_t epoch) const;
  int64_t identities_per_batch() const { return identities_; }  // P; the caller tells the user if it shrank
  int64_t images_per_identity() const { return images_; }
  int64_t batch_size() const { return identities_ * images_; }

 private:
  std::vector<std::vector<int64_t>> records_of_;  // by identity
  int64_t identities_, images_;
  uint64_t seed_;
};

// 0, 1, ..., count - 1 in batches of `batch_size`, the last of which may be smaller: the order of an
// evaluation. Error unless batch_size >= 1.
Batches sequential_batches(int64_t count, int64_t batch_size);

// The same in a random order for each epoch. A smaller last batch is dropped unless it is the only one.
Batches shuffled_batches(int64_t count, int64_t batch_size, uint64_t seed, int64_t epoch);

}  // namespace saccade
