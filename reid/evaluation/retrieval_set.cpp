#include "reid/evaluation/retrieval_set.h"

#include <algorithm>

#include "kernels/common/parallel.h"
#include "kernels/matmul/sgemm.h"

namespace saccade {
namespace {

constexpr int64_t kRowBlock = 256, kColumnBlock = 512;  // the blocks decide the rounding, threads do not
constexpr float kMostSquared = 1e37f;                   // four times this is still a float

double squared_norm(const float* x, int64_t width) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t l = 0; l < width; ++l) sum += static_cast<double>(x[l]) * x[l];
  return sum;
}

// Turns products into keys where they lie, while they are in the cache.
void products_to_keys(const FeatureRows& a, int64_t i, const FeatureRows& b, int64_t b0, int64_t b1,
                      float* row) {
  const float own = a.scale(i);
  if (a.metric() == Metric::euclidean) {
    for (int64_t j = b0; j < b1; ++j) row[j - b0] = std::max(own + b.scale(j) - 2 * row[j - b0], 0.0f);
  } else {
    for (int64_t j = b0; j < b1; ++j) row[j - b0] *= -(own * b.scale(j));
  }
}

}  // namespace

FeatureRows::FeatureRows(Context& context, Metric metric, const RetrievalSet& set)
    : metric_(metric),
      data_(set.features.data()),
      count_(set.count()),
      width_(set.width),
      scale_(static_cast<size_t>(set.count())) {
  check(metric == Metric::euclidean || metric == Metric::cosine,
        "retrieval ranks by euclidean or cosine distance");
  check_input(width_ > 0 || count_ == 0, set.name, ": the features have no columns");
  check_input(static_cast<int64_t>(set.features.size()) == count_ * width_, set.name, ": ",
              set.features.size(), " feature values for ", count_, " images of width ", width_);
  parallel_for(context, count_, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double square = squared_norm(row(i), width_);
      check_input(square < kMostSquared, set.name, ": the features of image ", i,
                  " hold NaN, infinity or numbers too large to square");
      scale_[static_cast<size_t>(i)] =
          static_cast<float>(metric_ == Metric::euclidean ? square : 1 / std::max(std::sqrt(square), 1e-12));
    }
  });
}

void distance_keys(Context& context, const FeatureRows& a, int64_t a0, int64_t a1, const FeatureRows& b,
                   int64_t b0, int64_t b1, float* keys, int64_t pitch) {
  check(a.width() == b.width() && a.metric() == b.metric(), "distances between rows of two kinds");
  const int64_t width = a.width();
  const int64_t row_blocks = (a1 - a0 + kRowBlock - 1) / kRowBlock;
  const int64_t column_blocks = (b1 - b0 + kColumnBlock - 1) / kColumnBlock;
  const auto compute = [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t i0 = a0 + block % row_blocks * kRowBlock, i1 = std::min(i0 + kRowBlock, a1);
      const int64_t j0 = b0 + block / row_blocks * kColumnBlock, j1 = std::min(j0 + kColumnBlock, b1);
      float* to = keys + (i0 - a0) * pitch + (j0 - b0);
      sgemm(context, false, true, i1 - i0, j1 - j0, width, 1, a.row(i0), width, b.row(j0), width, 0, to,
            pitch);
      for (int64_t i = i0; i < i1; ++i) products_to_keys(a, i, b, j0, j1, to + (i - i0) * pitch);
    }
  };
  // A block by itself is a region, too, so that its product is one thread's like that of all others.
  if (row_blocks * column_blocks == 1) return Team::of_process().run(1, 1, [&](int) { compute(0, 1); });
  parallel_for(context, row_blocks * column_blocks, 1, compute);
}

float distance_key(const FeatureRows& a, int64_t i, const FeatureRows& b, int64_t j) {
  const float *x = a.row(i), *y = b.row(j);
  float sum = 0;
  if (a.metric() == Metric::euclidean) {
#pragma omp simd reduction(+ : sum)
    for (int64_t l = 0; l < a.width(); ++l) sum += (x[l] - y[l]) * (x[l] - y[l]);
    return sum;
  }
#pragma omp simd reduction(+ : sum)
  for (int64_t l = 0; l < a.width(); ++l) sum += x[l] * y[l];
  return -(sum * (a.scale(i) * b.scale(j)));
}

}  // namespace saccade
