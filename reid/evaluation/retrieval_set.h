// What retrieval works on: one side's images as feature rows with their labels, and the metric between rows.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/common/context.h"

namespace saccade {

// N images of one side, query or gallery. Only looks at memory that someone else keeps.
struct RetrievalSet {
  std::string name;                       // for messages: the file, or what the set is
  std::span<const int64_t> pids, camids;  // [N]; pid -1: junk; camid -1: camera unknown
  std::span<const float> features;        // [N,width] row-major; empty where distances are given
  int64_t width = 0;

  int64_t count() const { return static_cast<int64_t>(pids.size()); }
};

// euclidean: sqrt(sum (x-y)^2). cosine: 1 - x.y / (|x| |y|), with 1 where a row is all zeros.
enum class Metric : uint8_t { euclidean, cosine };

// Rankings are made on a key that grows with the distance but is not rounded a second time, so that distinct
// distances do not become ties: max(|x|^2 + |y|^2 - 2 x.y, 0) for euclidean, -cosine for cosine.
inline float distance_of_key(Metric metric, float key) {
  return metric == Metric::euclidean ? std::sqrt(key) : 1 + key;
}
// The squared Euclidean distance; for cosine that between the normalized rows, 2 - 2 cosine.
inline float squared_distance_of_key(Metric metric, float key) {
  return metric == Metric::euclidean ? key : std::max(2 + 2 * key, 0.0f);
}

// Feature rows ready for distances: with |x|^2 (euclidean) or 1 / max(|x|, 1e-12) (cosine) of each row.
class FeatureRows {
 public:
  // Throws InputError(set.name, row) for sizes that do not fit, for NaN or infinite features, and for rows so
  // long that squared distances leave the range of a float.
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

// keys[i - a0, j - b0] = key(a row i, b row j) for i in [a0, a1), j in [b0, b1); row pitch in elements. The
// bits do not depend on the number of threads. a and b have the same width and metric.
void distance_keys(Context&, const FeatureRows& a, int64_t a0, int64_t a1, const FeatureRows& b, int64_t b0,
                   int64_t b1, float* keys, int64_t pitch);

// One key, from the sum of squared differences (euclidean): exact to a few ulp also between near rows.
float distance_key(const FeatureRows& a, int64_t i, const FeatureRows& b, int64_t j);

}  // namespace saccade
