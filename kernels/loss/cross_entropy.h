// Softmax cross-entropy with label smoothing (Szegedy et al.: "Rethinking the inception architecture", CVPR 2016,
// section 7), as PyTorch defines it.
//
//   p = softmax(logits[n,:])
//   q = (1 - s) onehot(labels[n]) + s / C
//   loss = 1/M * sum over counted n of ( - sum over c of q[c] log p[c] )
//   grad_logits[n,c] = (p[c] - q[c]) / M
//
// where s is the smoothing, and M counts the n with labels[n] != -1, which are the counted ones. The gradient is
// written in the same pass; backward scales it. logits, grad_logits [N,C]; labels [N]; loss [1] in the accumulator
// type. With no counted row, loss and gradient are 0. Outputs are overwritten; nothing aliases.
//
// A label below -1, or at or above C, is an InputError that names it where the host can read the labels. A device
// cannot throw: there such a label reads and writes nothing outside of its row, which gets a gradient of 0, and the
// loss is NaN. Whoever takes labels from outside calls check_labels() first.
//
// Floor, for elements of s bytes: 2 s N C bytes.
#pragma once

#include "kernels/common/accumulator.h"
#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct CrossEntropy {
  template <class T>
  static void forward(Context&, int64_t rows, int64_t classes, const T* logits, const int64_t* labels,
                      double smoothing, Accumulator<T>* loss, T* grad_logits);

  // grad_logits *= *grad_loss
  template <class T>
  static void backward(Context&, int64_t rows, int64_t classes, const Accumulator<T>* grad_loss,
                       T* grad_logits);

  // InputError names the first label that is neither -1 nor a class, and what is allowed.
  static void check_labels(int64_t rows, int64_t classes, const int64_t* labels) {
    for (int64_t n = 0; n < rows; ++n)
      check_input(labels[n] >= -1 && labels[n] < classes, "cross_entropy: labels[", n, "] = ", labels[n],
                  " is neither in 0..", classes - 1, " nor -1 (left out)");
  }

  static Floor floor(int64_t rows, int64_t classes, int element_bytes) {
    const double elements = static_cast<double>(rows * classes);
    return {2.0 * element_bytes * elements, 10 * elements};
  }
};

}  // namespace saccade
