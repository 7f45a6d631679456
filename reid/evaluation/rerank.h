// k-reciprocal re-ranking (Zhong, Zheng, Cao, Li: "Re-ranking person re-identification with k-reciprocal
// encoding", CVPR 2017). It gives what the authors' code gives, without an N x N matrix.
//
// d2(i,j) is the squared distance between two of all N images, queries before the gallery; for cosine, that
// between the normalized features. Equation numbers are those of the paper; round() goes to the even number
// at a half.
//
//   d(i,j)   = d2(i,j) / max_l d2(i,l)                    (1 in place of a maximum of 0)
//   N(i,k)   = the k+1 nearest of i, itself included, ties to the lower index
//   R(i,k)   = { j in N(i,k) : i in N(j,k) }
//   R*(i)    = R(i,k1), joined by R(c, round(k1/2)) for each c in R(i,k1)
//              for which more than 2/3 of R(c, round(k1/2)) lie in R(i,k1)
//   V(i,j)   = exp(-d(i,j)) / sum over l in R*(i) of exp(-d(i,l)) for j in R*(i), else 0      (eq. 7 and 12)
//   V'(i,.)  = mean of V(j,.) over the k2 nearest j of i                                      (eq. 11)
//   J(q,g)   = 1 - m / (2 - m),  m = sum over j of min(V'(q,j), V'(g,j))                      (eq. 10)
//   result   = (1 - lambda) J(q,g) + lambda d(q,g)                                            (eq. 13)
//
// Sets of fewer than k1 + 1 images work: their neighbors end where the images end. Memory: max(k1 + 1, k2)
// neighbors and the sparse V and V' of each image, and one tile of distances. Work: the products of half an N
// x N matrix, and of queries x gallery once more for the result.
#pragma once

#include <vector>

#include "reid/evaluation/retrieval_set.h"

namespace saccade {

struct RerankOptions {
  int64_t k1 = 20, k2 = 6;
  float lambda = 0.3f;
};

class Reranker {
 public:
  // Does the work for all images. The features of both sets must outlive this. InputError: what FeatureRows
  // refuses, an empty side, different widths, k1 or k2 below 1, lambda outside 0 to 1, 2^31 images or more.
  Reranker(Context&, Metric, const RetrievalSet& query, const RetrievalSet& gallery,
           RerankOptions options = {});

  // The final distances of the queries [begin, end), [end - begin, gallery]: DistanceRows of evaluate.h.
  void rows(Context&, int64_t begin, int64_t end, float* distances) const;

 private:
  struct Entry {
    int32_t index;
    float weight;
  };
  using SparseRow = std::vector<Entry>;  // indices rise

  int64_t count() const { return query_.count() + gallery_.count(); }
  float squared_distance(int64_t i, int64_t j) const;
  void find_neighbors(Context&);
  void take_tile(Context&, int64_t i0, int64_t i1, int64_t j0, int64_t j1, float* tile, float* transposed);
  std::vector<int32_t> reciprocal(int64_t i, int64_t k) const;
  std::vector<int32_t> expanded(int64_t i) const;
  SparseRow weights(int64_t i) const;
  SparseRow mean_of_nearest(int64_t i, const std::vector<SparseRow>& v) const;
  void invert_gallery(const std::vector<SparseRow>& v);

  RerankOptions options_;
  FeatureRows query_, gallery_;
  int64_t kept_;                     // neighbors of each image
  std::vector<float> neighbor_d2_;   // [N,kept], rising
  std::vector<int64_t> neighbors_;   // [N,kept]
  std::vector<float> largest_d2_;    // [N]
  std::vector<SparseRow> query_v_;   // V' of the queries
  std::vector<SparseRow> inverted_;  // for each image j: (gallery image g, V'(g,j)) where V'(g,j) > 0
};

}  // namespace saccade
