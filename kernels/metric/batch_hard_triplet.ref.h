#pragma once

#include <cmath>
#include <vector>

#include "kernels/metric/batch_hard_triplet.h"

namespace saccade {

template <class T>
T reference_triplet_distance(T d2, bool squared) {
  using std::sqrt;
  if (squared) return d2;
  return d2 < T(kTripletClamp) ? T(std::sqrt(kTripletClamp)) : sqrt(d2);
}

template <>
template <class T>
void BatchHardTriplet<Device::reference>::forward(Context&, int64_t count, int64_t dim, const T* embeddings,
                                                  const int64_t* labels, double margin, bool squared,
                                                  Accumulator<T>* loss, int64_t* positive, int64_t* negative,
                                                  Accumulator<T>* positive_d2, Accumulator<T>* negative_d2) {
  *loss = T(0);
  for (int64_t a = 0; a < count; ++a) {
    positive[a] = negative[a] = -1;
    positive_d2[a] = negative_d2[a] = T(0);
    T farthest(0), nearest(0);
    for (int64_t b = 0; b < count; ++b) {
      T d2(0);
      for (int64_t k = 0; k < dim; ++k) {
        const T difference = embeddings[a * dim + k] - embeddings[b * dim + k];
        d2 += difference * difference;
      }
      const T d = reference_triplet_distance(d2, squared);
      if (labels[b] == labels[a] && (positive[a] < 0 || d > farthest)) {
        farthest = d;
        positive[a] = b;
        positive_d2[a] = d2;
      }
      if (labels[b] != labels[a] && (negative[a] < 0 || d < nearest)) {
        nearest = d;
        negative[a] = b;
        negative_d2[a] = d2;
      }
    }
    const T term = farthest - nearest + T(margin);
    if (negative[a] >= 0 && !(term < T(0))) *loss += term;
  }
  if (count > 0) *loss = *loss / T(static_cast<double>(count));
}

template <>
template <class T>
void BatchHardTriplet<Device::reference>::backward(Context&, int64_t count, int64_t dim,
                                                   const Accumulator<T>* grad_loss, const T* embeddings,
                                                   const int64_t* positive, const int64_t* negative,
                                                   const Accumulator<T>* positive_d2,
                                                   const Accumulator<T>* negative_d2, double margin,
                                                   bool squared, T* grad_embeddings) {
  for (int64_t i = 0; i < count * dim; ++i) grad_embeddings[i] = T(0);
  for (int64_t a = 0; a < count; ++a) {
    if (negative[a] < 0) continue;
    const T dp = reference_triplet_distance(positive_d2[a], squared);
    const T dn = reference_triplet_distance(negative_d2[a], squared);
    if (dp - dn + T(margin) <= T(0)) continue;
    const T grad = *grad_loss / T(static_cast<double>(count));
    const T toward = squared ? T(2) * grad : positive_d2[a] < T(kTripletClamp) ? T(0) : grad / dp;
    const T away = squared ? T(2) * grad : negative_d2[a] < T(kTripletClamp) ? T(0) : grad / dn;
    for (int64_t k = 0; k < dim; ++k) {
      const T x = embeddings[a * dim + k];
      const T to_positive = toward * (x - embeddings[positive[a] * dim + k]);
      const T to_negative = away * (x - embeddings[negative[a] * dim + k]);
      grad_embeddings[a * dim + k] += to_positive - to_negative;
      grad_embeddings[positive[a] * dim + k] -= to_positive;
      grad_embeddings[negative[a] * dim + k] += to_negative;
    }
  }
}

}  // namespace saccade
