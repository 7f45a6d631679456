// Retrieval sets for tests: owned memory, and random ones with whole-number features, where f32 is exact and
// ties are frequent.
#pragma once

#include <vector>

#include "kernels/common/philox.h"
#include "reid/evaluation/retrieval_set.h"

namespace saccade {

struct OwnedSet {
  std::string name;
  std::vector<int64_t> pids, camids;
  std::vector<float> features;
  int64_t width = 0;

  RetrievalSet view() const { return {name, pids, camids, features, width}; }
};

// Labels with persons -1 (junk) and 0 (distractors) among them, cameras 1 to 3.
inline OwnedSet random_set(const std::string& name, int64_t count, int64_t width, uint64_t seed,
                           uint32_t persons, bool whole = true) {
  PhiloxStream random(seed);
  OwnedSet set{name, {}, {}, {}, width};
  for (int64_t i = 0; i < count; ++i) {
    set.pids.push_back(static_cast<int64_t>(random.below(persons + 2)) - 1);
    set.camids.push_back(1 + random.below(3));
    const auto person = static_cast<float>(set.pids.back());
    for (int64_t l = 0; l < width; ++l)
      set.features.push_back(whole ? static_cast<float>(random.below(4)) + (l == 0 ? person : 0.0f)
                                   : random.normal() + (l % 8 == set.pids.back() ? 1.0f : 0.0f));
  }
  return set;
}

}  // namespace saccade
