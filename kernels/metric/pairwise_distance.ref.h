#pragma once

#include <cmath>
#include <vector>

#include "kernels/metric/pairwise_distance.h"

namespace saccade {

// max(|x|, clamp).
template <class T>
T clamped_norm(int64_t dim, const T* x) {
  using std::sqrt;
  T sum(0);
  for (int64_t k = 0; k < dim; ++k) sum += x[k] * x[k];
  const T norm = sqrt(sum), least(PairwiseDistance<Device::reference>::kClamp);
  return norm > least ? norm : least;
}

template <>
template <class T>
void PairwiseDistance<Device::reference>::forward(Context&, Metric metric, int64_t n, int64_t m, int64_t dim,
                                                  const T* x, const T* y, T* distance) {
  using std::sqrt;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < m; ++j) {
      const T *a = x + i * dim, *b = y + j * dim;
      T sum(0);
      for (int64_t k = 0; k < dim; ++k)
        sum += metric == Metric::cosine ? a[k] * b[k] : (a[k] - b[k]) * (a[k] - b[k]);
      if (metric == Metric::euclidean) sum = sqrt(sum > T(kClamp) ? sum : T(kClamp));
      if (metric == Metric::cosine) sum = T(1) - sum / (clamped_norm(dim, a) * clamped_norm(dim, b));
      distance[i * m + j] = sum;
    }
}

template <>
template <class T>
void PairwiseDistance<Device::reference>::backward(Context&, Metric metric, bool transposed, int64_t n,
                                                   int64_t m, int64_t dim, const T* x, const T* y,
                                                   const T* distance, const T* grad_distance, T* grad_x) {
  using std::sqrt;
  std::vector<T> grad(static_cast<size_t>(dim));
  for (int64_t i = 0; i < n; ++i) {
    const T* a = x + i * dim;
    const T norm = clamped_norm(dim, a);
    for (T& g : grad) g = T(0);
    for (int64_t j = 0; j < m; ++j) {
      const T* b = y + j * dim;
      const int64_t at = transposed ? j * n + i : i * m + j;
      T weight = grad_distance[at];
      if (metric == Metric::squared) weight *= T(2);
      if (metric == Metric::euclidean) weight = distance[at] > sqrt(T(kClamp)) ? weight / distance[at] : T(0);
      const T other = metric == Metric::cosine ? clamped_norm(dim, b) : T(1);
      for (int64_t k = 0; k < dim; ++k)
        grad[static_cast<size_t>(k)] +=
            metric == Metric::cosine ? -weight * b[k] / other : weight * (a[k] - b[k]);
    }
    // cosine: the gradient passes through the normalization as (g - (g.u) u) / |x|;
    // below the clamp as g / clamp.
    T along(0);
    if (metric == Metric::cosine && norm > T(kClamp))
      for (int64_t k = 0; k < dim; ++k) along += grad[static_cast<size_t>(k)] * a[k] / norm;
    for (int64_t k = 0; k < dim; ++k) {
      const T g = grad[static_cast<size_t>(k)];
      grad_x[i * dim + k] = metric == Metric::cosine ? (g - along * a[k] / norm) / norm : g;
    }
  }
}

}  // namespace saccade
