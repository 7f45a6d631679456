// Which pictures make the batches of an epoch: a pure function of (seed, epoch).
#pragma once

#include <cstdint>
#include <vector>

namespace saccade {

// The random numbers of the data side have streams of their own for each purpose, so that none repeats
// another and none depends on how many were drawn before. epoch < 2^24, position < 2^32.
enum class DataStream : uint64_t { sampler = 1, augmentation = 2 };
constexpr uint64_t data_stream(DataStream purpose, int64_t epoch, int64_t position) {
  return static_cast<uint64_t>(purpose) << 56 | (static_cast<uint64_t>(epoch) & 0xffffff) << 32 |
         (static_cast<uint64_t>(position) & 0xffffffff);
}

// Batches of one epoch: indices into the records.
using Batches = std::vector<std::vector<int64_t>>;

// P identities with K pictures each (Hermans, Beyer, Leibe: "In defense of the triplet loss", 2017). Each
// epoch shuffles an identity's pictures and cuts them into groups of K (a rest of fewer than K waits for
// another epoch); one with fewer than K pictures gives one group, drawn with replacement. Batches take a
// group each of P random identities until fewer than P have a group left. A batch lists its identities one
// after the other.
class PkSampler {
 public:
  // labels[i]: class of record i, 0, 1, ...; a negative label is left out. With fewer than P identities P
  // shrinks to their number. InputError if no picture has a label; Error unless P, K >= 1.
  PkSampler(const std::vector<int64_t>& labels, int64_t identities, int64_t images_per_identity,
            uint64_t seed);

  Batches batches(int64_t epoch) const;
  int64_t identities_per_batch() const { return identities_; }  // P, perhaps shrunk: then say so
  int64_t images_per_identity() const { return images_; }
  int64_t batch_size() const { return identities_ * images_; }

 private:
  std::vector<std::vector<int64_t>> records_of_;  // by identity
  int64_t identities_, images_;
  uint64_t seed_;
};

// 0, 1, ..., count - 1 in batches of `batch_size`; the last may be smaller. Evaluation reads in this order.
Batches sequential_batches(int64_t count, int64_t batch_size);

// All records once an epoch in random order; a last batch that would be smaller is dropped unless it is the
// only one.
Batches shuffled_batches(int64_t count, int64_t batch_size, uint64_t seed, int64_t epoch);

}  // namespace saccade
