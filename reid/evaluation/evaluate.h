// The retrieval scores of re-identification: CMC, mAP in both published forms, mINP.
//
// For each query the gallery is ranked by distance, and ties go to the lower gallery index. A gallery image
// takes no rank if its person is -1, or if it shows the query's person in the query's camera (camera -1 is
// unknown and equals no camera). Person 0, the distractors, ranks like any other. With n correct images that
// take a rank, at the ranks r_1 < ... < r_n counted from 1:
//
//   AP           = 1/n sum_i  i / r_i
//   AP trapezoid = 1/n sum_i  1/2 [ i / r_i + (i - 1) / (r_i - 1) ],  with 1 for 0 / 0 where r_i = 1
//   INP          = n / r_n
//   CMC(k)       = 1 if r_1 <= k, else 0
//
// Scores are means over the queries with n >= 1. Sources: Zheng et al., "Scalable person re-identification",
// ICCV 2015, whose text gives the first AP and whose code the second; INP from Ye et al., "Deep learning for
// person re-identification", TPAMI 2021.
//
// The distances are made in tiles of some queries by the whole gallery: about 64 MiB beside the features.
#pragma once

#include <functional>
#include <vector>

#include "reid/evaluation/retrieval_set.h"

namespace saccade {

inline constexpr int64_t kCmcLength = 50;

struct EvaluationOptions {
  // Single-gallery-shot, the old protocol of CUHK03: in each of `draws` draws a query meets one random image
  // of each gallery person, and of its own person one of the correct images. All scores are means over the
  // draws. The choice depends on (seed, query, draw) alone. Person 0 counts as one person here.
  bool single_shot = false;
  int draws = 10;
  uint64_t seed = 0;

  std::vector<int64_t> ranked_queries;  // the queries whose ranked lists are wanted
  int64_t ranked_length = 10;

  std::function<void(int64_t)> progress;  // called with the number of further queries that are done
};

struct RankedImage {
  int64_t gallery;  // the index of the image
  float distance;
  bool correct;
};

struct RankedList {
  int64_t query;
  // The nearest that take a rank; fewer than asked for where the gallery ends.
  std::vector<RankedImage> images;
};

struct QueryScore {
  int64_t correct = 0;  // n; a query with n = 0 is not valid, and its scores are 0
  double ap = 0, ap_trapezoid = 0, inp = 0;
};

struct Evaluation {
  double map = 0, map_trapezoid = 0, minp = 0;
  std::vector<double> cmc;  // CMC(1), ..., CMC(min(kCmcLength, gallery))
  int64_t queries = 0, valid_queries = 0, gallery = 0;
  std::vector<QueryScore> of_query;
  std::vector<RankedList> ranked;  // in the order of EvaluationOptions::ranked_queries
};

// The scores of one query from the ranks of its correct images, rising and counted from 1.
QueryScore score_of_ranks(std::span<const int64_t> ranks);

// InputError if no query has a correct image in the gallery. That depends on the labels alone, so it can be
// known before there are features.
void check_some_valid(const RetrievalSet& query, const RetrievalSet& gallery);

// Writes the distances of the queries [begin, end) to the whole gallery, [end - begin, gallery]. Any number
// that grows with the distance will do.
using DistanceRows = std::function<void(int64_t begin, int64_t end, float* distances)>;

// InputError, which says why: an empty side, pids and camids of different lengths, a NaN distance, or no
// query with a correct gallery image. Error for a ranked list of a query that does not exist.
Evaluation evaluate(Context&, const RetrievalSet& query, const RetrievalSet& gallery,
                    const DistanceRows& rows, const EvaluationOptions& options = {});

// The same from the features of both sides. Also throws what FeatureRows does, and InputError for different widths.
Evaluation evaluate_features(Context&, Metric, const RetrievalSet& query, const RetrievalSet& gallery,
                             const EvaluationOptions& options = {});

// The same from given distances [queries, gallery]. Also throws InputError if there are more or fewer of them.
Evaluation evaluate_distances(Context&, std::span<const float> distances, const RetrievalSet& query,
                              const RetrievalSet& gallery, const EvaluationOptions& options = {});

}  // namespace saccade
