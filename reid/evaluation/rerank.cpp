#include "reid/evaluation/rerank.h"

#include <algorithm>
#include <cmath>

#include "kernels/common/parallel.h"
#include "kernels/retrieval/topk.h"

namespace saccade {
namespace {

constexpr int64_t kTile = 1024;  // images on each side: 4 MiB of distances

int64_t half_of(int64_t k1) {
  return static_cast<int64_t>(std::nearbyint(static_cast<double>(k1) / 2));
}

void transpose(Context& context, const float* from, int64_t rows, int64_t columns, float* to) {
  constexpr int64_t kBlock = 32;
  parallel_for(context, (columns + kBlock - 1) / kBlock, 1, [&](int64_t begin, int64_t end) {
    for (int64_t j0 = begin * kBlock; j0 < std::min(end * kBlock, columns); j0 += kBlock)
      for (int64_t i0 = 0; i0 < rows; i0 += kBlock)
        for (int64_t j = j0; j < std::min(j0 + kBlock, columns); ++j)
          for (int64_t i = i0; i < std::min(i0 + kBlock, rows); ++i) to[j * rows + i] = from[i * columns + j];
  });
}

}  // namespace

Reranker::Reranker(Context& context, Metric metric, const RetrievalSet& query, const RetrievalSet& gallery,
                   RerankOptions options)
    : options_(options), query_(context, metric, query), gallery_(context, metric, gallery) {
  check_input(query.count() > 0, query.name, ": the query set is empty");
  check_input(gallery.count() > 0, gallery.name, ": the gallery is empty");
  check_input(query.width == gallery.width, gallery.name, ": features of width ", gallery.width,
              ", but those of ", query.name, " have width ", query.width);
  check_input(options.k1 >= 1 && options.k2 >= 1, "re-ranking needs k1 and k2 of at least 1");
  check_input(options.lambda >= 0 && options.lambda <= 1, "re-ranking needs a lambda from 0 to 1");
  check_input(count() < (int64_t{1} << 31), "re-ranking takes fewer than 2^31 images");
  kept_ = std::min(count(), std::max(options.k1 + 1, options.k2));
  find_neighbors(context);

  const int64_t images = count();
  std::vector<SparseRow> v(static_cast<size_t>(images)), mean(static_cast<size_t>(images));
  parallel_for(context, images, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) v[static_cast<size_t>(i)] = weights(i);
  });
  parallel_for(context, images, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) mean[static_cast<size_t>(i)] = mean_of_nearest(i, v);
  });
  v.clear();
  invert_gallery(mean);
  mean.resize(static_cast<size_t>(query_.count()));
  query_v_ = std::move(mean);
}

float Reranker::squared_distance(int64_t i, int64_t j) const {
  const int64_t queries = query_.count();
  const float key = distance_key(i < queries ? query_ : gallery_, i < queries ? i : i - queries,
                                 j < queries ? query_ : gallery_, j < queries ? j : j - queries);
  return squared_distance_of_key(query_.metric(), key);
}

// d2 is symmetric, so each tile on or above the diagonal serves its rows and, transposed, its columns. No
// tile holds both queries and gallery images on one side.
void Reranker::find_neighbors(Context& context) {
  const int64_t images = count(), queries = query_.count();
  neighbors_.resize(static_cast<size_t>(images * kept_));
  neighbor_d2_.resize(static_cast<size_t>(images * kept_));
  largest_d2_.assign(static_cast<size_t>(images), 0.0f);
  TopK<Device::cpu>::clear(context, images, kept_, neighbor_d2_.data(), neighbors_.data());
  std::vector<int64_t> starts;
  for (int64_t i = 0; i < queries; i += kTile) starts.push_back(i);
  for (int64_t i = queries; i < images; i += kTile) starts.push_back(i);
  const auto end_of = [&](int64_t start) {
    return std::min(start + kTile, start < queries ? queries : images);
  };
  std::vector<float> tile(static_cast<size_t>(kTile * kTile)), transposed(tile.size());
  for (size_t a = 0; a < starts.size(); ++a)
    for (size_t b = a; b < starts.size(); ++b)
      take_tile(context, starts[a], end_of(starts[a]), starts[b], end_of(starts[b]), tile.data(),
                transposed.data());
}

void Reranker::take_tile(Context& context, int64_t i0, int64_t i1, int64_t j0, int64_t j1, float* tile,
                         float* transposed) {
  const int64_t queries = query_.count(), rows = i1 - i0, columns = j1 - j0;
  const int64_t a0 = i0 < queries ? i0 : i0 - queries, b0 = j0 < queries ? j0 : j0 - queries;
  distance_keys(context, i0 < queries ? query_ : gallery_, a0, a0 + rows, j0 < queries ? query_ : gallery_,
                b0, b0 + columns, tile, columns);
  const Metric metric = query_.metric();
  parallel_for(context, rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin * columns; k < end * columns; ++k)
      tile[k] = squared_distance_of_key(metric, tile[k]);
  });
  if (i0 == j0)
    for (int64_t i = 0; i < rows; ++i) tile[i * columns + i] = 0;  // an image and itself, without rounding

  const auto take = [&](int64_t first_row, int64_t height, int64_t first, int64_t width, const float* d2) {
    TopK<Device::cpu>::update(context, height, width, first, kept_, false, d2, width,
                              neighbor_d2_.data() + first_row * kept_, neighbors_.data() + first_row * kept_);
    parallel_for(context, height, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        float most = largest_d2_[static_cast<size_t>(first_row + i)];
#pragma omp simd reduction(max : most)
        for (int64_t j = 0; j < width; ++j) most = std::max(most, d2[i * width + j]);
        largest_d2_[static_cast<size_t>(first_row + i)] = most;
      }
    });
  };
  take(i0, rows, j0, columns, tile);
  if (i0 == j0) return;
  transpose(context, tile, rows, columns, transposed);
  take(j0, columns, i0, rows, transposed);
}

// R(i,k), in the order of N(i,k).
std::vector<int32_t> Reranker::reciprocal(int64_t i, int64_t k) const {
  const int64_t most = std::min(k + 1, kept_);
  const auto nearest = [&](int64_t image) { return neighbors_.begin() + image * kept_; };
  std::vector<int32_t> mutual;
  for (int64_t p = 0; p < most; ++p) {
    const int64_t j = nearest(i)[p];
    if (std::find(nearest(j), nearest(j) + most, i) != nearest(j) + most)
      mutual.push_back(static_cast<int32_t>(j));
  }
  return mutual;
}

// R*(i), rising.
std::vector<int32_t> Reranker::expanded(int64_t i) const {
  const std::vector<int32_t> own = reciprocal(i, options_.k1);
  std::vector<int32_t> all = own;
  for (const int32_t candidate : own) {
    const std::vector<int32_t> other = reciprocal(candidate, half_of(options_.k1));
    const auto shared = std::count_if(other.begin(), other.end(), [&](int32_t j) {
      return std::find(own.begin(), own.end(), j) != own.end();
    });
    if (3 * shared > 2 * static_cast<int64_t>(other.size()))
      all.insert(all.end(), other.begin(), other.end());
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

Reranker::SparseRow Reranker::weights(int64_t i) const {
  const auto nearest = neighbors_.begin() + i * kept_;
  const float largest = largest_d2_[static_cast<size_t>(i)], scale = largest > 0 ? 1 / largest : 1.0f;
  SparseRow row;
  float sum = 0;
  for (const int32_t j : expanded(i)) {
    const auto place = std::find(nearest, nearest + kept_, j) - nearest;
    const float d2 =
        place < kept_ ? neighbor_d2_[static_cast<size_t>(i * kept_ + place)] : squared_distance(i, j);
    row.push_back({j, std::exp(-d2 * scale)});
    sum += row.back().weight;
  }
  for (Entry& entry : row) entry.weight /= sum;
  return row;
}

Reranker::SparseRow Reranker::mean_of_nearest(int64_t i, const std::vector<SparseRow>& v) const {
  const int64_t k2 = std::min(options_.k2, kept_);
  SparseRow all;
  for (int64_t p = 0; p < k2; ++p) {
    const SparseRow& row = v[static_cast<size_t>(neighbors_[static_cast<size_t>(i * kept_ + p)])];
    all.insert(all.end(), row.begin(), row.end());
  }
  // The sort is stable, so that equal indices are added up in the order of their neighbors.
  std::stable_sort(all.begin(), all.end(), [](const Entry& a, const Entry& b) { return a.index < b.index; });
  SparseRow mean;
  for (const Entry& entry : all) {
    if (mean.empty() || mean.back().index != entry.index) mean.push_back({entry.index, 0});
    mean.back().weight += entry.weight;
  }
  for (Entry& entry : mean) entry.weight /= static_cast<float>(k2);
  return mean;
}

void Reranker::invert_gallery(const std::vector<SparseRow>& v) {
  const auto queries = static_cast<size_t>(query_.count());
  std::vector<size_t> lengths(v.size());
  for (size_t i = queries; i < v.size(); ++i)
    for (const Entry& entry : v[i]) ++lengths[static_cast<size_t>(entry.index)];
  inverted_.resize(v.size());
  for (size_t j = 0; j < v.size(); ++j) inverted_[j].reserve(lengths[j]);
  for (size_t i = queries; i < v.size(); ++i)
    for (const Entry& entry : v[i])
      inverted_[static_cast<size_t>(entry.index)].push_back(
          {static_cast<int32_t>(i - queries), entry.weight});
}

void Reranker::rows(Context& context, int64_t begin, int64_t end, float* distances) const {
  const int64_t images = gallery_.count();
  distance_keys(context, query_, begin, end, gallery_, 0, images, distances, images);
  parallel_for(context, end - begin, 1, [&](int64_t from, int64_t to) {
    std::vector<float> shared(static_cast<size_t>(images));
    for (int64_t r = from; r < to; ++r) {
      const auto q = static_cast<size_t>(begin + r);
      std::fill(shared.begin(), shared.end(), 0.0f);
      for (const Entry& own : query_v_[q])
        for (const Entry& other : inverted_[static_cast<size_t>(own.index)])
          shared[static_cast<size_t>(other.index)] += std::min(own.weight, other.weight);
      const float scale = largest_d2_[q] > 0 ? 1 / largest_d2_[q] : 1.0f, lambda = options_.lambda;
      float* row = distances + r * images;
      for (int64_t g = 0; g < images; ++g) {
        const float m = shared[static_cast<size_t>(g)], jaccard = 1 - m / (2 - m);
        const float original = squared_distance_of_key(query_.metric(), row[g]) * scale;
        row[g] = (1 - lambda) * jaccard + lambda * original;
      }
    }
  });
}

}  // namespace saccade
