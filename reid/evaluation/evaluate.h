// The retrieval scores of re-identification: CMC, mAP in both published forms, mINP.
//
// For each query the gallery is ranked by distance, ties by gallery index. A gallery image takes no rank if
// its person is -1, or if it shows the query's person in the query's camera (camera -1 is unknown and equals
// none). Person 0, the distractors, ranks like any other. With the kept correct images at 1-based ranks r_1 <
// ... < r_n:
//
//   AP            = 1/n sum_i  i / r_i
//   AP trapezoid  = 1/n sum_i  1/2 [ i / r_i + ((i-1) / (r_i - 1), or 1 if r_i = 1) ]
//   INP           = n / r_n                    (Ye et al., "Deep learning for person re-identification",
//   2021) CMC(k)        = 1 if r_1 <= k, else 0
//
// (Zheng et al., "Scalable person re-identification", ICCV 2015: its text gives the first AP, its code the
// second.) n counts all kept correct images. Scores are means over the queries with n >= 1.
// The gallery streams by in tiles: beside the features a few tens of megabytes are held.
#pragma once

#include <functional>
#include <vector>

#include "reid/evaluation/retrieval_set.h"

namespace saccade {

inline constexpr int64_t kCmcLength = 50;

struct EvaluationOptions {
  // Single-gallery-shot (the old CUHK03 protocol): for each query `draws` times one random image of each
  // gallery person, of the query's own person one of its correct images; all scores are means over the draws.
  // (seed, query, draw) fix the choice. Here person 0 counts as one person.
  bool single_shot = false;
  int draws = 10;
  uint64_t seed = 0;

  std::vector<int64_t> ranked_queries;  // whose ranked lists are wanted
  int64_t ranked_length = 10;

  std::function<void(int64_t)> progress;  // told how many more queries are done
};

struct RankedImage {
  int64_t gallery;  // index
  float distance;
  bool correct;
};

struct RankedList {
  int64_t query;
  std::vector<RankedImage> images;  // the nearest kept ones; fewer than asked for where the gallery ends
};

struct QueryScore {
  int64_t correct = 0;  // n; 0: the query is not valid and the rest is 0
  double ap = 0, ap_trapezoid = 0, inp = 0;
};

struct Evaluation {
  double map = 0, map_trapezoid = 0, minp = 0;
  std::vector<double> cmc;  // CMC(1), CMC(2), ... CMC(min(50, gallery))
  int64_t queries = 0, valid_queries = 0, gallery = 0;
  std::vector<QueryScore> of_query;
  std::vector<RankedList> ranked;  // in the order of EvaluationOptions::ranked_queries
};

// The scores of one query from the 1-based ranks of its correct images, rising. `correct` = ranks.size().
QueryScore score_of_ranks(std::span<const int64_t> ranks);

// InputError if no query has a correct image in the gallery: that hangs on the labels alone, and can be known before there
// are features.
void check_some_valid(const RetrievalSet& query, const RetrievalSet& gallery);

// Writes the distances of queries [begin, end) to the whole gallery: [end - begin, gallery]. Any number that
// grows with the distance will do.
using DistanceRows = std::function<void(int64_t begin, int64_t end, float* distances)>;

// Throws InputError for an empty side, for labels that do not fit, for a NaN distance, and if no query has a
// correct gallery image; the message says why.
Evaluation evaluate(Context&, const RetrievalSet& query, const RetrievalSet& gallery,
                    const DistanceRows& rows, const EvaluationOptions& options = {});

// By the features of both sides, and InputErrors of FeatureRows.
Evaluation evaluate_features(Context&, Metric, const RetrievalSet& query, const RetrievalSet& gallery,
                             const EvaluationOptions& options = {});

// By given distances [queries, gallery].
Evaluation evaluate_distances(Context&, std::span<const float> distances, const RetrievalSet& query,
                              const RetrievalSet& gallery, const EvaluationOptions& options = {});

}  // namespace saccade
