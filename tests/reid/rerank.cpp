// k-reciprocal re-ranking against the published algorithm, which is written here densely, N x N and in f64.
#include "reid/evaluation/rerank.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "reid/evaluation/evaluate.h"
#include "tests/common/catch.h"
#include "tests/reid/folder.h"
#include "tests/reid/retrieval.h"

namespace saccade {
namespace {

using Dense = std::vector<std::vector<double>>;

std::vector<std::vector<double>> normalized_rows(Metric metric, const OwnedSet& query,
                                                 const OwnedSet& gallery) {
  Dense rows;
  for (const OwnedSet* set : {&query, &gallery})
    for (size_t i = 0; i < set->pids.size(); ++i) {
      const auto begin = set->features.begin() + static_cast<int64_t>(i) * set->width;
      rows.emplace_back(begin, begin + set->width);
      double square = 0;
      for (const double x : rows.back()) square += x * x;
      if (metric == Metric::cosine)
        for (double& x : rows.back()) x /= std::sqrt(square);
    }
  return rows;
}

// Step by step as the authors publish it, down to the division by the column maximum and the transpose.
Dense dense_rerank(Metric metric, const OwnedSet& query, const OwnedSet& gallery, int k1, int k2,
                   double lambda) {
  const Dense x = normalized_rows(metric, query, gallery);
  const size_t n = x.size(), queries = query.pids.size();
  Dense squared(n, std::vector<double>(n)), original = squared;
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j)
      for (size_t l = 0; l < x[i].size(); ++l) squared[i][j] += (x[i][l] - x[j][l]) * (x[i][l] - x[j][l]);
  for (size_t column = 0; column < n; ++column) {
    double most = 0;
    for (size_t row = 0; row < n; ++row) most = std::max(most, squared[row][column]);
    for (size_t row = 0; row < n; ++row) original[column][row] = most > 0 ? squared[row][column] / most : 0;
  }

  std::vector<std::vector<size_t>> order(n, std::vector<size_t>(n));
  for (size_t i = 0; i < n; ++i) {
    std::iota(order[i].begin(), order[i].end(), size_t{0});
    std::stable_sort(order[i].begin(), order[i].end(),
                     [&](size_t a, size_t b) { return squared[i][a] < squared[i][b]; });
  }
  const auto is_near = [&](size_t i, size_t j, int k) {  // j among the k + 1 nearest of i
    const auto end = order[i].begin() + std::min<int64_t>(k + 1, static_cast<int64_t>(n));
    return std::find(order[i].begin(), end, j) != end;
  };
  const auto mutual = [&](size_t i, int k) {
    std::set<size_t> all;
    for (size_t j = 0; j < n; ++j)
      if (is_near(i, j, k) && is_near(j, i, k)) all.insert(j);
    return all;
  };
  const int half = static_cast<int>(std::nearbyint(k1 / 2.0));
  Dense v(n, std::vector<double>(n)), v_mean = v;
  for (size_t i = 0; i < n; ++i) {
    const std::set<size_t> own = mutual(i, k1);
    std::set<size_t> all = own;
    for (const size_t candidate : own) {
      const std::set<size_t> other = mutual(candidate, half);
      std::vector<size_t> shared;
      std::set_intersection(own.begin(), own.end(), other.begin(), other.end(), std::back_inserter(shared));
      if (static_cast<double>(shared.size()) > 2.0 / 3 * static_cast<double>(other.size()))
        all.insert(other.begin(), other.end());
    }
    double sum = 0;
    for (const size_t j : all) sum += std::exp(-original[i][j]);
    for (const size_t j : all) v[i][j] = std::exp(-original[i][j]) / sum;
  }
  for (size_t i = 0; i < n; ++i) {
    const size_t most = std::min<size_t>(static_cast<size_t>(k2), n);
    for (size_t p = 0; p < most; ++p)
      for (size_t j = 0; j < n; ++j) v_mean[i][j] += v[order[i][p]][j] / static_cast<double>(most);
  }
  Dense result(queries);
  for (size_t q = 0; q < queries; ++q)
    for (size_t g = queries; g < n; ++g) {
      double m = 0;
      for (size_t j = 0; j < n; ++j) m += std::min(v_mean[q][j], v_mean[g][j]);
      result[q].push_back((1 - lambda) * (1 - m / (2 - m)) + lambda * original[q][g]);
    }
  return result;
}

double largest_error(Context& context, Metric metric, const OwnedSet& query, const OwnedSet& gallery,
                     RerankOptions options) {
  const Dense expected = dense_rerank(metric, query, gallery, static_cast<int>(options.k1),
                                      static_cast<int>(options.k2), static_cast<double>(options.lambda));
  const Reranker reranker(context, metric, query.view(), gallery.view(), options);
  const auto queries = static_cast<int64_t>(query.pids.size()),
             images = static_cast<int64_t>(gallery.pids.size());
  double worst = 0;
  for (int64_t begin = 0; begin < queries; begin += 7) {  // streamed in odd pieces
    const int64_t end = std::min(begin + 7, queries);
    std::vector<float> rows(static_cast<size_t>((end - begin) * images));
    reranker.rows(context, begin, end, rows.data());
    for (int64_t q = begin; q < end; ++q)
      for (int64_t g = 0; g < images; ++g) {
        const double error =
            std::fabs(static_cast<double>(rows[static_cast<size_t>((q - begin) * images + g)]) -
                      expected[static_cast<size_t>(q)][static_cast<size_t>(g)]);
        if (!(error <= worst)) worst = error;
      }
  }
  return worst;
}

}  // namespace

TEST_CASE("re-ranking equals the dense algorithm", "[rerank]") {
  const OwnedSet query = random_set("query", 40, 16, 1, 8, false),
                 gallery = random_set("gallery", 170, 16, 2, 8, false);
  for (int threads : {1, 2}) {
    Context context(Device::cpu, 0, threads);
    CHECK(largest_error(context, Metric::euclidean, query, gallery, {}) < 1e-6);
    CHECK(largest_error(context, Metric::cosine, query, gallery, {}) < 1e-6);
    CHECK(largest_error(context, Metric::euclidean, query, gallery, {7, 1, 0.0f}) < 1e-6);
    CHECK(largest_error(context, Metric::euclidean, query, gallery, {5, 9, 0.8f}) < 1e-6);  // half of 5 is 2
  }
}

TEST_CASE("re-ranking with whole-number features: ties, duplicates and images equal to the query",
          "[rerank]") {
  const OwnedSet query = random_set("query", 30, 4, 3, 6), gallery = random_set("gallery", 150, 4, 4, 6);
  Context context;
  CHECK(largest_error(context, Metric::euclidean, query, gallery, {}) < 1e-6);
  CHECK(largest_error(context, Metric::euclidean, query, gallery, {3, 2, 0.3f}) < 1e-6);
}

TEST_CASE("re-ranking across several tiles of queries and gallery", "[rerank]") {
  Context context;
  for (const auto& [queries, images] : {std::pair{5, 1100}, std::pair{1030, 20}}) {
    const OwnedSet query = random_set("query", queries, 3, 5, 40);
    const OwnedSet gallery = random_set("gallery", images, 3, 6, 40);
    CHECK(largest_error(context, Metric::euclidean, query, gallery, {}) < 1e-6);
  }
}

TEST_CASE("re-ranking works for one query and galleries far under fifty images", "[rerank]") {
  Context context;
  for (const int64_t images : {1, 2, 5, 19, 20, 21, 49}) {
    const OwnedSet query = random_set("query", 1, 6, 7, 3), gallery = random_set("gallery", images, 6, 8, 3);
    INFO(images << " gallery images");
    CHECK(largest_error(context, Metric::euclidean, query, gallery, {}) < 1e-6);
  }
  // All images are the same: every distance is 0 and no row can be normalized.
  const OwnedSet same{"query", {1}, {1}, {2, 2}, 2}, twice{"gallery", {1, 1}, {2, 3}, {2, 2, 2, 2}, 2};
  CHECK(largest_error(context, Metric::euclidean, same, twice, {}) < 1e-6);
}

TEST_CASE("re-ranking repairs a ranking that plain distances get wrong, and is the same every time",
          "[rerank]") {
  const OwnedSet query = random_set("query", 60, 24, 9, 8, false),
                 gallery = random_set("gallery", 400, 24, 10, 8, false);
  std::vector<double> maps;
  for (int threads : {1, 2}) {
    Context context(Device::cpu, 0, threads);
    const Reranker reranker(context, Metric::euclidean, query.view(), gallery.view());
    const auto rows = [&](int64_t begin, int64_t end, float* to) { reranker.rows(context, begin, end, to); };
    maps.push_back(evaluate(context, query.view(), gallery.view(), rows).map);
  }
  Context context;
  CHECK(maps[0] == maps[1]);
  CHECK(maps[0] > evaluate_features(context, Metric::euclidean, query.view(), gallery.view()).map);
}

TEST_CASE("re-ranking refuses what it cannot do", "[rerank]") {
  Context context;
  const OwnedSet one{"one", {1}, {1}, {2, 2}, 2}, none{"none", {}, {}, {}, 2},
      narrow{"narrow", {1}, {1}, {2}, 1};
  const auto error = [&](const OwnedSet& q, const OwnedSet& g, RerankOptions options) {
    return input_error_of([&] { Reranker(context, Metric::euclidean, q.view(), g.view(), options); });
  };
  CHECK(error(one, none, {}) == "none: the gallery is empty");
  CHECK(error(none, one, {}) == "none: the query set is empty");
  CHECK_THAT(error(one, narrow, {}), ContainsSubstring("narrow: features of width 1"));
  CHECK_THAT(error(one, one, {0, 6, 0.3f}), ContainsSubstring("k1"));
  CHECK_THAT(error(one, one, {20, 6, 2.0f}), ContainsSubstring("lambda"));
  CHECK_THAT(error(one, one, {20, 6, NAN}), ContainsSubstring("lambda"));
}

}  // namespace saccade
