// The plain kernels of cross_entropy.h, forward only (which writes the gradient): a thread for each row, then
// one for the mean.
#pragma once

#include "kernels/common/each.h"

namespace saccade {
inline namespace SACCADE_TARGET {

__device__ __forceinline__ int64_t plain_count(int64_t rows, const int64_t* labels) {
  int64_t count = 0;
  for (int64_t n = 0; n < rows; ++n) count += labels[n] != -1;
  return count;
}

template <class T>
struct PlainCrossEntropy {
  int64_t rows, classes;
  const T* logits;
  const int64_t* labels;
  float smoothing;
  float* terms;
  T* grad_logits;

  __device__ void operator()(int64_t n) const {
    const T* x = logits + n * classes;
    T* grad = grad_logits + n * classes;
    const int64_t label = labels[n];
    terms[n] = label == -1 ? 0.0f : __uint_as_float(0x7fc00000u);
    for (int64_t c = 0; c < classes; ++c) grad[c] = T(0.0f);
    if (label < 0 || label >= classes) return;
    float largest = static_cast<float>(x[0]), sum = 0, term = 0;
    for (int64_t c = 1; c < classes; ++c) largest = fmaxf(largest, static_cast<float>(x[c]));
    for (int64_t c = 0; c < classes; ++c) sum += expf(static_cast<float>(x[c]) - largest);
    const float count = static_cast<float>(plain_count(rows, labels));
    for (int64_t c = 0; c < classes; ++c) {
      const float log_p = static_cast<float>(x[c]) - largest - logf(sum);
      const float q = (c == label ? 1.0f - smoothing : 0.0f) + smoothing / static_cast<float>(classes);
      if (q != 0) term -= q * log_p;  // log_p may be -infinity where q is 0
      grad[c] = static_cast<T>((expf(log_p) - q) / count);
    }
    terms[n] = term;
  }
};

struct PlainCrossEntropyMean {
  int64_t rows;
  const float* terms;
  const int64_t* labels;
  float* loss;

  __device__ void operator()(int64_t) const {
    float sum = 0;
    for (int64_t n = 0; n < rows; ++n) sum += terms[n];
    const int64_t count = plain_count(rows, labels);
    *loss = count > 0 ? sum / static_cast<float>(count) : 0.0f;
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
