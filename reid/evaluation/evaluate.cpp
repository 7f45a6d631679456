#include "reid/evaluation/evaluate.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>

#include "kernels/common/parallel.h"
#include "kernels/common/philox.h"
#include "kernels/retrieval/topk.h"

namespace saccade {
namespace {

constexpr int64_t kTileElements = int64_t{1} << 24;  // 64 MiB of distances at a time
constexpr int64_t kMostTileRows = 256, kLeastTileRows = 16;
constexpr int64_t kCountBlock = 4096;  // distances that stay in the first-level cache
constexpr size_t kSortFrom = 512;      // from this many correct images on one sort is cheaper than counting

// The distance of a gallery image that takes no rank: comparisons with NaN are false, and no count sees it.
constexpr float kSkipped = std::numeric_limits<float>::quiet_NaN();

// The gallery's images by person; those of one person by rising index.
class GalleryIndex {
 public:
  explicit GalleryIndex(std::span<const int64_t> pids) : pids_(pids), order_(pids.size()) {
    std::iota(order_.begin(), order_.end(), int64_t{0});
    std::stable_sort(order_.begin(), order_.end(), [&](int64_t a, int64_t b) { return pid(a) < pid(b); });
    for (size_t i = 0; i < order_.size(); ++i)
      if (i == 0 || pid(order_[i]) != pid(order_[i - 1])) starts_.push_back(i);
    starts_.push_back(order_.size());
  }

  size_t persons() const { return starts_.size() - 1; }
  std::span<const int64_t> images(size_t person) const {
    return std::span(order_).subspan(starts_[person], starts_[person + 1] - starts_[person]);
  }
  int64_t pid_of(size_t person) const { return pid(order_[starts_[person]]); }

  std::span<const int64_t> of(int64_t wanted) const {
    const auto begin = std::lower_bound(order_.begin(), order_.end(), wanted,
                                        [&](int64_t image, int64_t value) { return pid(image) < value; });
    const auto end = std::upper_bound(begin, order_.end(), wanted,
                                      [&](int64_t value, int64_t image) { return value < pid(image); });
    return {begin, end};
  }

 private:
  int64_t pid(int64_t image) const { return pids_[static_cast<size_t>(image)]; }

  std::span<const int64_t> pids_;
  std::vector<int64_t> order_;
  std::vector<size_t> starts_;
};

int64_t count_below(const float* row, int64_t begin, int64_t end, float distance) {
  int32_t count = 0;
#pragma omp simd reduction(+ : count)
  for (int64_t j = begin; j < end; ++j) count += row[j] < distance;
  return count;
}

int64_t count_not_above(const float* row, int64_t begin, int64_t end, float distance) {
  int32_t count = 0;
#pragma omp simd reduction(+ : count)
  for (int64_t j = begin; j < end; ++j) count += row[j] <= distance;
  return count;
}

// 1 + the number of images that stand before each correct one: nearer, or as near with a lower index.
std::vector<int64_t> ranks_by_counting(const float* row, int64_t gallery,
                                       const std::vector<int64_t>& correct) {
  std::vector<int64_t> ranks(correct.size(), 1);
  for (int64_t begin = 0; begin < gallery; begin += kCountBlock) {
    const int64_t end = std::min(begin + kCountBlock, gallery);
    for (size_t c = 0; c < correct.size(); ++c) {
      const int64_t own = std::clamp(correct[c], begin, end);
      const float distance = row[correct[c]];
      ranks[c] += count_not_above(row, begin, own, distance) + count_below(row, own, end, distance);
    }
  }
  return ranks;
}

std::vector<int64_t> ranks_by_sorting(const float* row, int64_t gallery,
                                      const std::vector<int64_t>& correct) {
  std::vector<int64_t> order;
  for (int64_t j = 0; j < gallery; ++j)
    if (!std::isnan(row[j])) order.push_back(j);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return row[a] < row[b]; });
  std::vector<int64_t> ranks;
  for (size_t rank = 0; rank < order.size(); ++rank)
    if (std::binary_search(correct.begin(), correct.end(), order[rank]))
      ranks.push_back(static_cast<int64_t>(rank) + 1);
  return ranks;
}

// What one query leaves behind: its score and, for each draw, the rank of its first correct image.
struct QueryResult {
  QueryScore score;
  std::vector<int64_t> first_ranks;
};

class Scorer {
 public:
  Scorer(const RetrievalSet& query, const RetrievalSet& gallery, const EvaluationOptions& options)
      : query_(query), gallery_(gallery), options_(options), index_(gallery.pids) {}

  void check_some_valid() const {
    int64_t shown = 0;
    for (int64_t q = 0; q < query_.count(); ++q) {
      const auto images = pid(q) == -1 ? std::span<const int64_t>() : index_.of(pid(q));
      shown += !images.empty();
      for (const int64_t j : images)
        if (!in_own_camera(q, j)) return;
    }
    const std::string what =
        query_.name + ": no query has a correct image in the gallery " + gallery_.name + ": ";
    check_input(shown > 0, what, "none of the query persons is in it");
    check_input(false, what, shown,
                " queries find their person there, but only in their own camera, where a match does not "
                "count; pictures that tell no camera (names without _c1, or camids of -1) are all matched");
  }

  // Marks the images that take no rank. Returns the correct ones that do, rising.
  std::vector<int64_t> skip(int64_t q, float* row) const {
    for (const int64_t j : index_.of(-1)) row[j] = kSkipped;
    std::vector<int64_t> correct;
    if (pid(q) == -1) return correct;
    for (const int64_t j : index_.of(pid(q))) {
      if (in_own_camera(q, j)) {
        row[j] = kSkipped;
      } else {
        correct.push_back(j);
      }
    }
    return correct;
  }

  // `row` is what skip() left.
  QueryResult score(int64_t q, const float* row, const std::vector<int64_t>& correct) const {
    if (correct.empty()) return {};
    if (options_.single_shot) return score_single_shot(q, row, correct);
    std::vector<int64_t> ranks = correct.size() < kSortFrom
                                     ? ranks_by_counting(row, gallery_.count(), correct)
                                     : ranks_by_sorting(row, gallery_.count(), correct);
    std::sort(ranks.begin(), ranks.end());
    return {score_of_ranks(ranks), {ranks[0]}};
  }

 private:
  int64_t pid(int64_t q) const { return query_.pids[static_cast<size_t>(q)]; }

  bool in_own_camera(int64_t q, int64_t j) const {
    const int64_t camera = query_.camids[static_cast<size_t>(q)];
    return camera != -1 && gallery_.camids[static_cast<size_t>(j)] == camera;
  }

  int64_t rank_in_draw(int64_t q, const float* row, const std::vector<int64_t>& correct, int draw) const {
    PhiloxStream random(options_.seed, static_cast<uint64_t>(q) * static_cast<uint64_t>(options_.draws) +
                                           static_cast<uint64_t>(draw));
    const int64_t own = correct[random.below(static_cast<uint32_t>(correct.size()))];
    int64_t rank = 1;
    for (size_t person = 0; person < index_.persons(); ++person) {
      if (index_.pid_of(person) == -1 || index_.pid_of(person) == pid(q)) continue;
      const auto images = index_.images(person);
      const int64_t other = images[random.below(static_cast<uint32_t>(images.size()))];
      rank += row[other] < row[own] || (row[other] == row[own] && other < own);
    }
    return rank;
  }

  QueryResult score_single_shot(int64_t q, const float* row, const std::vector<int64_t>& correct) const {
    QueryResult result;
    for (int draw = 0; draw < options_.draws; ++draw) {
      const int64_t rank = rank_in_draw(q, row, correct, draw);
      const QueryScore one = score_of_ranks({&rank, 1});
      result.score.ap += one.ap / options_.draws;
      result.score.ap_trapezoid += one.ap_trapezoid / options_.draws;
      result.score.inp += one.inp / options_.draws;
      result.first_ranks.push_back(rank);
    }
    result.score.correct = static_cast<int64_t>(correct.size());
    return result;
  }

  const RetrievalSet& query_;
  const RetrievalSet& gallery_;
  const EvaluationOptions& options_;
  GalleryIndex index_;
};

void check_labels(const RetrievalSet& set, const char* side) {
  check_input(set.count() > 0, set.name, ": the ", side, " is empty");
  check_input(set.camids.size() == set.pids.size(), set.name, ": ", set.pids.size(), " pids but ",
              set.camids.size(), " camids");
}

// The nearest images that take a rank; `row` is what skip() left.
RankedList ranked_list(Context& context, int64_t q, const float* row, int64_t gallery, int64_t length,
                       const std::vector<int64_t>& correct) {
  const int64_t k = std::clamp(length, int64_t{0}, gallery);
  std::vector<float> distances(static_cast<size_t>(k));
  std::vector<int64_t> images(static_cast<size_t>(k));
  TopK<Device::cpu>::forward(context, 1, gallery, k, false, row, distances.data(), images.data());
  RankedList list{q, {}};
  for (size_t p = 0; p < images.size() && !std::isnan(distances[p]); ++p)
    list.images.push_back(
        {images[p], distances[p], std::binary_search(correct.begin(), correct.end(), images[p])});
  return list;
}

// The index of the first NaN of the row, or -1.
int64_t find_nan(const float* row, int64_t gallery) {
  int any = 0;
#pragma omp simd reduction(| : any)
  for (int64_t j = 0; j < gallery; ++j) any |= row[j] != row[j];
  return any ? std::find_if(row, row + gallery, [](float d) { return std::isnan(d); }) - row : -1;
}

Evaluation average(const std::vector<QueryResult>& results, int64_t gallery) {
  Evaluation mean;
  mean.queries = static_cast<int64_t>(results.size());
  mean.gallery = gallery;
  mean.cmc.resize(static_cast<size_t>(std::min(kCmcLength, gallery)));
  double draws = 0;  // of all queries together; one for each query without single-shot
  for (const QueryResult& result : results) {
    mean.of_query.push_back(result.score);
    if (result.score.correct == 0) continue;
    ++mean.valid_queries;
    mean.map += result.score.ap;
    mean.map_trapezoid += result.score.ap_trapezoid;
    mean.minp += result.score.inp;
    draws += static_cast<double>(result.first_ranks.size());
    for (const int64_t rank : result.first_ranks)
      if (rank <= static_cast<int64_t>(mean.cmc.size())) mean.cmc[static_cast<size_t>(rank - 1)] += 1;
  }
  const auto valid = static_cast<double>(std::max<int64_t>(mean.valid_queries, 1));
  std::partial_sum(mean.cmc.begin(), mean.cmc.end(), mean.cmc.begin());
  for (double& rate : mean.cmc) rate /= std::max(draws, 1.0);
  mean.map /= valid;
  mean.map_trapezoid /= valid;
  mean.minp /= valid;
  return mean;
}

}  // namespace

QueryScore score_of_ranks(std::span<const int64_t> ranks) {
  QueryScore score;
  score.correct = static_cast<int64_t>(ranks.size());
  if (ranks.empty()) return score;
  const auto n = static_cast<double>(ranks.size());
  for (size_t i = 0; i < ranks.size(); ++i) {
    const auto hits = static_cast<double>(i + 1), rank = static_cast<double>(ranks[i]);
    const double precision = hits / rank, before = rank > 1 ? (hits - 1) / (rank - 1) : 1.0;
    score.ap += precision / n;
    score.ap_trapezoid += 0.5 * (precision + before) / n;
  }
  score.inp = n / static_cast<double>(ranks.back());
  return score;
}

void check_some_valid(const RetrievalSet& query, const RetrievalSet& gallery) {
  Scorer(query, gallery, EvaluationOptions()).check_some_valid();
}

Evaluation evaluate(Context& context, const RetrievalSet& query, const RetrievalSet& gallery,
                    const DistanceRows& rows, const EvaluationOptions& options) {
  check_labels(query, "query set");
  check_labels(gallery, "gallery");
  check_input(!options.single_shot || options.draws > 0, "single-shot evaluation needs at least one draw");
  const int64_t queries = query.count(), images = gallery.count();
  for (const int64_t q : options.ranked_queries)
    check(0 <= q && q < queries, "a ranked list of query ", q, " of ", queries);

  const Scorer scorer(query, gallery, options);
  scorer.check_some_valid();
  std::vector<QueryResult> results(static_cast<size_t>(queries));
  std::vector<RankedList> ranked(options.ranked_queries.size());
  const int64_t tile_rows =
      std::min(queries, std::clamp(kTileElements / images, kLeastTileRows, kMostTileRows));
  std::vector<float> tile(static_cast<size_t>(tile_rows * images));
  std::vector<int64_t> nan_at(static_cast<size_t>(tile_rows));

  for (int64_t begin = 0; begin < queries; begin += tile_rows) {
    const int64_t end = std::min(begin + tile_rows, queries);
    rows(begin, end, tile.data());
    parallel_for(context, end - begin, 1, [&](int64_t from, int64_t to) {
      for (int64_t r = from; r < to; ++r) {
        float* row = tile.data() + r * images;
        nan_at[static_cast<size_t>(r)] = find_nan(row, images);
        const auto correct = scorer.skip(begin + r, row);
        results[static_cast<size_t>(begin + r)] = scorer.score(begin + r, row, correct);
      }
    });
    for (int64_t r = 0; r < end - begin; ++r)
      check_input(nan_at[static_cast<size_t>(r)] < 0, query.name, ": the distance of query ", begin + r,
                  " to gallery image ", nan_at[static_cast<size_t>(r)], " is NaN");
    for (size_t i = 0; i < ranked.size(); ++i) {
      const int64_t q = options.ranked_queries[i];
      if (q < begin || q >= end) continue;
      float* row = tile.data() + (q - begin) * images;
      ranked[i] = ranked_list(context, q, row, images, options.ranked_length, scorer.skip(q, row));
    }
    if (options.progress) options.progress(end - begin);
  }

  Evaluation result = average(results, images);
  result.ranked = std::move(ranked);
  return result;
}

Evaluation evaluate_features(Context& context, Metric metric, const RetrievalSet& query,
                             const RetrievalSet& gallery, const EvaluationOptions& options) {
  check_labels(query, "query set");
  check_labels(gallery, "gallery");
  check_input(query.width == gallery.width, gallery.name, ": features of width ", gallery.width,
              ", but those of ", query.name, " have width ", query.width);
  const FeatureRows a(context, metric, query), b(context, metric, gallery);
  const auto rows = [&](int64_t begin, int64_t end, float* keys) {
    distance_keys(context, a, begin, end, b, 0, b.count(), keys, b.count());
  };
  Evaluation result = evaluate(context, query, gallery, rows, options);
  for (RankedList& list : result.ranked)
    for (RankedImage& image : list.images) image.distance = distance_of_key(metric, image.distance);
  return result;
}

Evaluation evaluate_distances(Context& context, std::span<const float> distances, const RetrievalSet& query,
                              const RetrievalSet& gallery, const EvaluationOptions& options) {
  check_labels(query, "query set");
  check_labels(gallery, "gallery");
  check_input(static_cast<int64_t>(distances.size()) == query.count() * gallery.count(), query.name, ": ",
              distances.size(), " distances for ", query.count(), " queries and ", gallery.count(),
              " gallery images");
  const auto rows = [&](int64_t begin, int64_t end, float* to) {
    std::copy(distances.begin() + begin * gallery.count(), distances.begin() + end * gallery.count(), to);
  };
  return evaluate(context, query, gallery, rows, options);
}

}  // namespace saccade
