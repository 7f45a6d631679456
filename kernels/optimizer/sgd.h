// SGD with momentum, as PyTorch defines it, over the spans of kernels/optimizer/parameter_span.h. With w = values and
// v = velocity:
//
//   g = clip grad + weight_decay w
//   v = g in the first step, momentum v + g afterwards
//   w = w - rate (nesterov ? g + momentum v : v)
//
// Floor: 20 bytes a parameter (w and v read and written, grad read), and 2 more with a copy.
#pragma once

#include "kernels/optimizer/parameter_span.h"

namespace saccade {

template <Device D>
struct Sgd {
  template <class T>
  static void step(Context&, const ParameterSpan* spans, int64_t span_count, const StepScalars&,
                   double momentum, bool nesterov, const T* grads, T* values, T* velocity,
                   bf16* copy = nullptr);

  static Floor floor(int64_t parameters, bool copy = false) {
    return {(copy ? 22.0 : 20.0) * static_cast<double>(parameters), 6.0 * static_cast<double>(parameters)};
  }
};

}  // namespace saccade
