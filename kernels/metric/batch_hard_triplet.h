// The batch-hard triplet loss: each sample with its farthest positive and its nearest negative in the batch.
//
//   d2(x, y) = sum (x - y)^2,   d = squared ? d2 : sqrt(max(d2, 1e-12))
//   positive[a] = argmax of d(a, b) over labels[b] == labels[a]      (a itself takes part)
//   negative[a] = argmin of d(a, b) over labels[b] != labels[a]      (-1 where there is none)
//   loss = mean over a of max(0, d(a, positive[a]) - d(a, negative[a]) + margin)   (0 without a negative)
//
// Source: Hermans, Beyer, Leibe: "In Defense of the Triplet Loss for Person Re-Identification" (2017),
// equation 5; `squared` is A3D's equation 14.
//
// Shapes: embeddings [count, dim], labels [count], loss [1], all others [count]. For bf16, sums, the loss and
// the saved distances are f32.
//
// Distances are sums of squared differences and not |x|^2 + |y|^2 - 2 x.y, so nothing cancels. Only on CUDA,
// for more than 256 rows of bf16, that form chooses the pairs, on the tensor cores and within its rounding
// (eps |x|^2). Ties go to the lowest index; below the clamp all distances are equal. An empty batch has
// loss 0. Outputs are overwritten; nothing may alias.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/common/accumulator.h"
#include "kernels/common/context.h"
#include "kernels/common/floor.h"
#include "kernels/common/host_device.h"

namespace saccade {

constexpr double kTripletClamp = 1e-12;  // the least squared distance under the root

template <Device D>
struct BatchHardTriplet {
  // positive_d2 and negative_d2 (0 without a negative) are the unclamped squared distances, for backward.
  template <class T>
  static void forward(Context&, int64_t count, int64_t dim, const T* embeddings, const int64_t* labels,
                      double margin, bool squared, Accumulator<T>* loss, int64_t* positive, int64_t* negative,
                      Accumulator<T>* positive_d2, Accumulator<T>* negative_d2);

  // The gradient of d(x, y) with respect to x is 2 (x - y) if `squared`; else it is (x - y) / d, and 0 below
  // the clamp. A term that is not above 0 has no gradient. Each row gathers from the anchors that chose
  // it, in their order.
  template <class T>
  static void backward(Context&, int64_t count, int64_t dim, const Accumulator<T>* grad_loss,
                       const T* embeddings, const int64_t* positive, const int64_t* negative,
                       const Accumulator<T>* positive_d2, const Accumulator<T>* negative_d2, double margin,
                       bool squared, T* grad_embeddings);

  // A batch is too small for bytes to matter: latency counts. The floor leaves out the N x N distances that a
  // GPU writes and reads back from its cache.
  static Floor forward_floor(int64_t count, int64_t dim, int element_bytes) {
    const double n = static_cast<double>(count);
    return {n * dim * element_bytes + n * (8 + 16 + 8) + 4, 1.5 * n * n * dim};
  }
  static Floor backward_floor(int64_t count, int64_t dim, int element_bytes) {
    const double n = static_cast<double>(count);
    return {2 * n * dim * element_bytes + n * (16 + 8) + 4, 12 * n * dim};
  }
};

// The weights of anchor a's two pairs in the gradient. Its part of the loss changes by
//   d loss = positive * (x_a - x_p) . (dx_a - dx_p) - negative * (x_a - x_n) . (dx_a - dx_n)
// where p = positive[a] and n = negative[a].
struct TripletWeights {
  float positive, negative;
};

SACCADE_HD inline float triplet_distance(float d2, bool squared) {
  return squared ? d2 : sqrtf(d2 < 1e-12f ? 1e-12f : d2);
}

// The term of one anchor; a NaN stays.
SACCADE_HD inline float triplet_term(int64_t negative, float positive_d2, float negative_d2, float margin,
                                     bool squared) {
  if (negative < 0) return 0.0f;
  const float term = triplet_distance(positive_d2, squared) - triplet_distance(negative_d2, squared) + margin;
  return term < 0.0f ? 0.0f : term;
}

SACCADE_HD inline TripletWeights triplet_weights(int64_t count, float grad_loss, int64_t negative,
                                                 float positive_d2, float negative_d2, float margin,
                                                 bool squared) {
  const float term = triplet_term(negative, positive_d2, negative_d2, margin, squared);
  if (term == 0.0f) return {0.0f, 0.0f};
  const float grad = grad_loss / static_cast<float>(count);
  if (squared) return {2.0f * grad, 2.0f * grad};
  return {positive_d2 < 1e-12f ? 0.0f : grad / sqrtf(positive_d2),
          negative_d2 < 1e-12f ? 0.0f : grad / sqrtf(negative_d2)};
}

}  // namespace saccade
