#pragma once

#include <cmath>

#include "kernels/loss/cross_entropy.h"

namespace saccade {

template <>
template <class T>
void CrossEntropy<Device::reference>::forward(Context&, int64_t rows, int64_t classes, const T* logits,
                                              const int64_t* labels, double smoothing, Accumulator<T>* loss,
                                              T* grad_logits) {
  using std::exp;
  using std::log;
  CrossEntropy<Device::reference>::check_labels(rows, classes, labels);
  double counted = 0;
  for (int64_t n = 0; n < rows; ++n) counted += labels[n] != -1;
  *loss = T(0);
  for (int64_t n = 0; n < rows; ++n) {
    const T* x = logits + n * classes;
    T* grad = grad_logits + n * classes;
    for (int64_t c = 0; c < classes; ++c) grad[c] = T(0);
    if (labels[n] == -1) continue;
    T largest = x[0], sum = T(0);
    for (int64_t c = 1; c < classes; ++c) largest = x[c] > largest ? x[c] : largest;
    for (int64_t c = 0; c < classes; ++c) sum += exp(x[c] - largest);
    for (int64_t c = 0; c < classes; ++c) {
      const double q = (c == labels[n] ? 1 - smoothing : 0) + smoothing / static_cast<double>(classes);
      *loss += T(q / counted) * (log(sum) - (x[c] - largest));
      grad[c] = (exp(x[c] - largest) / sum - T(q)) / T(counted);
    }
  }
}

template <>
template <class T>
void CrossEntropy<Device::reference>::backward(Context&, int64_t rows, int64_t classes,
                                               const Accumulator<T>* grad_loss, T* grad_logits) {
  for (int64_t i = 0; i < rows * classes; ++i) grad_logits[i] *= *grad_loss;
}

}  // namespace saccade
