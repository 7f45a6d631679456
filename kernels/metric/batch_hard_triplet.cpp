#include "kernels/metric/batch_hard_triplet.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <vector>

#include "kernels/common/parallel.h"
#include "kernels/common/wide_copy.h"

namespace saccade {

namespace {

constexpr int kTile = 4;    // rows of each side whose distances are summed together
constexpr int kLanes = 16;  // partial sums of a distance: one 512-bit register
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));

struct Chosen {
  float d2 = 0, distance = 0;
  int64_t index = -1;
};
struct Hardest {
  Chosen positive, negative;
};

// Keeps the farther (sign = 1) or nearer (sign = -1) of the two in `best`, or the lower index of a tie. No
// two candidates are equal, so the result does not depend on the order in which they come.
void offer(Chosen& best, const Chosen& other, float sign) {
  if (other.index < 0) return;
  const float candidate = sign * other.distance, record = sign * best.distance;  // infinite ones, too
  if (best.index < 0 || candidate > record || (candidate == record && other.index < best.index)) best = other;
}

// d2[i][j] between rows a + i and b + j. In place of a row past the end it takes the last one.
void tile_distances(int64_t count, int64_t dim, const float* x, int64_t a, int64_t b,
                    float d2[kTile][kTile]) {
  const float *left[kTile], *right[kTile];
  for (int i = 0; i < kTile; ++i) {
    left[i] = x + std::min(a + i, count - 1) * dim;
    right[i] = x + std::min(b + i, count - 1) * dim;
  }
  Lanes sum[kTile][kTile] = {};
  int64_t k = 0;
  for (; k + kLanes <= dim; k += kLanes) {
    Lanes p[kTile], q[kTile];
    for (int i = 0; i < kTile; ++i) {
      std::memcpy(&p[i], left[i] + k, sizeof(Lanes));
      std::memcpy(&q[i], right[i] + k, sizeof(Lanes));
    }
#pragma GCC unroll 4
    for (int i = 0; i < kTile; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < kTile; ++j) {
        const Lanes difference = p[i] - q[j];
        sum[i][j] += difference * difference;
      }
  }
  for (int i = 0; i < kTile; ++i)
    for (int j = 0; j < kTile; ++j) {
      float total = 0;
      for (int lane = 0; lane < kLanes; ++lane) total += sum[i][j][lane];
      for (int64_t rest = k; rest < dim; ++rest) {
        const float difference = left[i][rest] - right[j][rest];
        total += difference * difference;
      }
      d2[i][j] = total;
    }
}

void offer_pair(Hardest& hardest, bool same, int64_t other, float d2, bool squared) {
  const float infinity = std::numeric_limits<float>::infinity();  // a NaN counts as the farthest
  const Chosen candidate{d2, std::isnan(d2) ? infinity : squared ? d2 : std::max(d2, 1e-12f), other};
  if (same)
    offer(hardest.positive, candidate, 1);
  else
    offer(hardest.negative, candidate, -1);
}

// Takes the tiles of row block `block` on and right of the diagonal.
// Each pair is summed once, for both its rows.
void mine_block(int64_t count, int64_t dim, const float* x, const int64_t* labels, bool squared,
                int64_t block, std::vector<Hardest>& hardest) {
  const int64_t a = block * kTile;
  for (int64_t b = a; b < count; b += kTile) {
    float d2[kTile][kTile];
    tile_distances(count, dim, x, a, b, d2);
    for (int64_t i = a; i < std::min(a + kTile, count); ++i)
      for (int64_t j = std::max(i, b); j < std::min(b + kTile, count); ++j) {
        const bool same = labels[i] == labels[j];
        offer_pair(hardest[static_cast<size_t>(i)], same, j, d2[i - a][j - b], squared);
        if (i != j) offer_pair(hardest[static_cast<size_t>(j)], same, i, d2[i - a][j - b], squared);
      }
  }
}

std::vector<Hardest> mine(Context& context, int64_t count, int64_t dim, const float* x, const int64_t* labels,
                          bool squared) {
  std::vector<Hardest> hardest(static_cast<size_t>(count));
  std::mutex merging;
  const int64_t blocks = (count + kTile - 1) / kTile;
  // Block i has blocks - i tiles: with one block from the front and one from the back, all tasks are equal.
  const int64_t tasks = (blocks + 1) / 2, threads = context.threads();
  // A thread has all its tasks at once, since each range has candidates of its own that are merged.
  const int64_t grain = std::max((tasks + threads - 1) / threads,
                                 (int64_t{1} << 16) / std::max<int64_t>(1, count * dim * kTile));
  parallel_for(context, tasks, grain, [&](int64_t begin, int64_t end) {
    std::vector<Hardest> own(static_cast<size_t>(count));
    for (int64_t t = begin; t < end; ++t) {
      mine_block(count, dim, x, labels, squared, t, own);
      if (blocks - 1 - t != t) mine_block(count, dim, x, labels, squared, blocks - 1 - t, own);
    }
    const std::lock_guard<std::mutex> lock(merging);
    for (size_t i = 0; i < own.size(); ++i) {
      offer(hardest[i].positive, own[i].positive, 1);
      offer(hardest[i].negative, own[i].negative, -1);
    }
  });
  return hardest;
}

// The anchors that chose each row, in order: anchors[first[row]] .. anchors[first[row + 1] - 1].
struct InvertedList {
  std::vector<int64_t> first, anchors;

  InvertedList(int64_t count, const int64_t* chosen)
      : first(static_cast<size_t>(count) + 2), anchors(static_cast<size_t>(count)) {
    for (int64_t a = 0; a < count; ++a)
      if (chosen[a] >= 0) ++first[static_cast<size_t>(chosen[a]) + 2];
    for (size_t i = 2; i < first.size(); ++i) first[i] += first[i - 1];
    for (int64_t a = 0; a < count; ++a)
      if (chosen[a] >= 0) anchors[static_cast<size_t>(first[static_cast<size_t>(chosen[a]) + 1]++)] = a;
  }
};

// grad += weight * (x - y)
void pull(int64_t dim, float weight, const float* x, const float* y, float* __restrict grad) {
  if (weight == 0.0f) return;
  for (int64_t k = 0; k < dim; ++k) grad[k] += weight * (x[k] - y[k]);
}

}  // namespace

template <>
template <>
void BatchHardTriplet<Device::cpu>::forward(Context& context, int64_t count, int64_t dim,
                                            const float* embeddings, const int64_t* labels, double margin,
                                            bool squared, float* loss, int64_t* positive, int64_t* negative,
                                            float* positive_d2, float* negative_d2) {
  const std::vector<Hardest> hardest = mine(context, count, dim, embeddings, labels, squared);
  float sum = 0;
  for (int64_t a = 0; a < count; ++a) {
    const Hardest& h = hardest[static_cast<size_t>(a)];
    positive[a] = h.positive.index;
    negative[a] = h.negative.index;
    positive_d2[a] = h.positive.d2;
    negative_d2[a] = h.negative.d2;
    sum += triplet_term(negative[a], positive_d2[a], negative_d2[a], static_cast<float>(margin), squared);
  }
  *loss = count > 0 ? sum / static_cast<float>(count) : 0.0f;
}

template <>
template <>
void BatchHardTriplet<Device::cpu>::backward(Context& context, int64_t count, int64_t dim,
                                             const float* grad_loss, const float* embeddings,
                                             const int64_t* positive, const int64_t* negative,
                                             const float* positive_d2, const float* negative_d2,
                                             double margin, bool squared, float* grad_embeddings) {
  std::vector<TripletWeights> weights(static_cast<size_t>(count));
  for (int64_t a = 0; a < count; ++a)
    weights[static_cast<size_t>(a)] = triplet_weights(count, *grad_loss, negative[a], positive_d2[a],
                                                      negative_d2[a], static_cast<float>(margin), squared);
  const InvertedList by_positive(count, positive), by_negative(count, negative);
  parallel_for(context, count, std::max<int64_t>(1, 8192 / std::max<int64_t>(1, dim)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const size_t row = static_cast<size_t>(i);
                   const float* x = embeddings + i * dim;
                   float* grad = grad_embeddings + i * dim;
                   std::fill(grad, grad + dim, 0.0f);
                   if (negative[i] >= 0) {
                     pull(dim, weights[row].positive, x, embeddings + positive[i] * dim, grad);
                     pull(dim, -weights[row].negative, x, embeddings + negative[i] * dim, grad);
                   }
                   for (int64_t k = by_positive.first[row]; k < by_positive.first[row + 1]; ++k) {
                     const int64_t a = by_positive.anchors[static_cast<size_t>(k)];
                     pull(dim, weights[static_cast<size_t>(a)].positive, x, embeddings + a * dim, grad);
                   }
                   for (int64_t k = by_negative.first[row]; k < by_negative.first[row + 1]; ++k) {
                     const int64_t a = by_negative.anchors[static_cast<size_t>(k)];
                     pull(dim, -weights[static_cast<size_t>(a)].negative, x, embeddings + a * dim, grad);
                   }
                 }
               });
}

// Every row is read as often as there are rows, so bf16 is widened once, and its gradient rounded once.
template <>
template <>
void BatchHardTriplet<Device::cpu>::forward(Context& context, int64_t count, int64_t dim,
                                            const bf16* embeddings, const int64_t* labels, double margin,
                                            bool squared, float* loss, int64_t* positive, int64_t* negative,
                                            float* positive_d2, float* negative_d2) {
  const WideCopy x(context, count * dim, embeddings);
  forward(context, count, dim, x.data(), labels, margin, squared, loss, positive, negative, positive_d2,
          negative_d2);
}

template <>
template <>
void BatchHardTriplet<Device::cpu>::backward(Context& context, int64_t count, int64_t dim,
                                             const float* grad_loss, const bf16* embeddings,
                                             const int64_t* positive, const int64_t* negative,
                                             const float* positive_d2, const float* negative_d2,
                                             double margin, bool squared, bf16* grad_embeddings) {
  const WideCopy x(context, count * dim, embeddings), grad(context, count * dim);
  backward(context, count, dim, grad_loss, x.data(), positive, negative, positive_d2, negative_d2, margin,
           squared, grad.data());
  grad.round_to(grad_embeddings);
}

}  // namespace saccade
