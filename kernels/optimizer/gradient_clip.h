// The factor that brings the norm of all gradients down to a limit:
//
//   *factor = min(1, limit / |grads|)
//
// with the L2 norm over all spans (kernels/optimizer/parameter_span.h), which is summed span by span and then over the
// spans, always in the same order. A norm that is not finite gives 1: the guard of the step deals with it. The
// gradients stay as they are: a step reads the factor as StepScalars::clip. Floor: 4 bytes a parameter.
#pragma once

#include "kernels/optimizer/parameter_span.h"

namespace saccade {

template <Device D>
struct GradientClip {
  template <class T>
  static void factor(Context&, const ParameterSpan* spans, int64_t span_count, double limit, const T* grads,
                     float* factor);

  static Floor floor(int64_t parameters) {
    return {4.0 * static_cast<double>(parameters), 2.0 * static_cast<double>(parameters)};
  }
};

}  // namespace saccade
