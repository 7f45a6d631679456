// The plain kernels of batch_hard_triplet.h, forward only: a thread for each anchor, then one for the mean.
#pragma once

#include "kernels/common/each.h"
#include "kernels/metric/batch_hard_triplet.h"

namespace saccade {
inline namespace SACCADE_TARGET {

template <class T>
struct PlainTripletSelect {
  int64_t count, dim;
  const T* embeddings;
  const int64_t* labels;
  float margin;
  bool squared;
  int64_t *positive, *negative;
  float *positive_d2, *negative_d2, *terms;

  __device__ void operator()(int64_t a) const {
    float farthest = 0, nearest = 0;
    positive[a] = negative[a] = -1;
    positive_d2[a] = negative_d2[a] = 0;
    for (int64_t b = 0; b < count; ++b) {
      float d2 = 0;
      for (int64_t k = 0; k < dim; ++k) {
        const float difference =
            static_cast<float>(embeddings[a * dim + k]) - static_cast<float>(embeddings[b * dim + k]);
        d2 += difference * difference;
      }
      const float d = distance(d2);
      const bool same = labels[b] == labels[a];
      if (same && (positive[a] < 0 || d > farthest)) farthest = d, positive[a] = b, positive_d2[a] = d2;
      if (!same && (negative[a] < 0 || d < nearest)) nearest = d, negative[a] = b, negative_d2[a] = d2;
    }
    const float term = farthest - nearest + margin;
    terms[a] = negative[a] < 0 || term < 0 ? 0.0f : term;
  }
  __device__ float distance(float d2) const {
    if (squared) return d2;
    constexpr float kLeast = static_cast<float>(kTripletClamp);
    return sqrtf(d2 < kLeast ? kLeast : d2);
  }
};

struct PlainTripletMean {
  int64_t count;
  const float* terms;
  float* loss;

  __device__ void operator()(int64_t) const {
    float sum = 0;
    for (int64_t a = 0; a < count; ++a) sum += terms[a];
    *loss = count > 0 ? sum / static_cast<float>(count) : 0.0f;
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
