// The images of one side of a retrieval as feature rows with their labels, and the distances between rows.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/common/context.h"
#include "kernels/metric/metric.h"

namespace saccade {

// The N images of one side, query or gallery. The spans point to memory that the caller keeps.
struct RetrievalSet {
  std::string name;                       // for messages: the file, or what the set is
  std::span<const int64_t> pids, camids;  // [N]; pid -1 is junk, camid -1 an unknown camera
  std::span<const float> features;        // [N,width]; empty where distances are given
  int64_t width = 0;

  int64_t count() const { return static_cast<int64_t>(pids.size()); }
};

// Rankings are made on a key that grows with the distance but is not rounded a second time, so that distinct
// distances do not become ties: max(|x|^2 + |y|^2 - 2 x.y, 0) for euclidean, -x.y / (|x| |y|) for cosine.
// Metric::squared, which would rank as euclidean does, is refused: one metric, one name.
inline float distance_of_key(Metric metric, float key) {
  return metric == Metric::euclidean ? std::sqrt(key) : 1 + key;
}
// The squared Euclidean distance; for cosine that between the normalized rows, 2 - 2 x.y / (|x| |y|).
inline float squared_distance_of_key(Metric metric, float key) {
  return metric == Metric::euclidean ? key : std::max(2 + 2 * key, 0.0f);
}

// Feature rows with what distances need of each: |x|^2 for euclidean, 1 / max(|x|, 1e-12) for cosine.
class FeatureRows {
 public:
  // InputError, which names the set and the row, for sizes that do not fit, for NaN or infinite features, and for rows
  // with so large a norm that squared distances leave the range of a float. Error for Metric::squared.
  FeatureRows(Context&, Metric, const RetrievalSet& set);

  int64_t count() const { return count_; }
  int64_t width() const { return width_; }
  Metric metric() const { return metric_; }
  const float* row(int64_t i) const { return data_ + i * width_; }
  float scale(int64_t i) const { return scale_[static_cast<size_t>(i)]; }

 private:
  Metric metric_;
  const float* data_;
  int64_t count_, width_;
  std::vector<float> scale_;
};

// keys[(i - a0) * pitch + (j - b0)] = the key of row i of a and row j of b, for i in [a0, a1) and j in [b0,
// b1). The bits do not depend on the number of threads. Error unless a and b have the same width and metric.
void distance_keys(Context&, const FeatureRows& a, int64_t a0, int64_t a1, const FeatureRows& b, int64_t b0,
                   int64_t b1, float* keys, int64_t pitch);

// One key; for euclidean it comes from the squared differences, so that near rows, too, are exact to a few ulp.
float distance_key(const FeatureRows& a, int64_t i, const FeatureRows& b, int64_t j);

}  // namespace saccade
