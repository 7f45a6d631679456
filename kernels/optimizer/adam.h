// Adam (Kingma and Ba, ICLR 2015, algorithm 1), AMSGrad (Reddi, Kale and Kumar, ICLR 2018, algorithm 2, with PyTorch's
// bias correction) and AdamW (Loshchilov and Hutter, ICLR 2019, algorithm 2), over the spans of
// kernels/optimizer/parameter_span.h. With w = values, m = first, v = second and t = *step + 1:
//
//   g = clip grad + weight_decay w              (AdamW: w = w - rate weight_decay w,  g = clip grad)
//   m = beta1 m + (1 - beta1) g
//   v = beta2 v + (1 - beta2) g^2
//   s = v                                       (AMSGrad: s = largest = max(largest, v))
//   w = w - rate m / (1 - beta1^t) / (sqrt(s) / sqrt(1 - beta2^t) + eps)
//
// Floor: 28 bytes a parameter, 36 with amsgrad, and 2 more with a copy.
#pragma once

#include "kernels/optimizer/parameter_span.h"

namespace saccade {

struct AdamRule {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  bool amsgrad = false;    // divide by the largest second moment so far
  bool decoupled = false;  // AdamW: weight decay shrinks w, and is not added to the gradient
};

template <Device D>
struct Adam {
  // `largest` is read and written with amsgrad alone.
  template <class T>
  static void step(Context&, const ParameterSpan* spans, int64_t span_count, const StepScalars&,
                   const AdamRule&, const T* grads, T* values, T* first, T* second, T* largest,
                   bf16* copy = nullptr);

  static Floor floor(int64_t parameters, bool amsgrad, bool copy = false) {
    return {((amsgrad ? 36.0 : 28.0) + (copy ? 2.0 : 0.0)) * static_cast<double>(parameters),
            14.0 * static_cast<double>(parameters)};
  }
};

}  // namespace saccade
