// One optimizer step over a flat arena of parameters, in one launch.
//
// The arena is covered by spans, each with its own scale of the learning rate and weight decay. They lie in device memory
// and are uploaded when they change, so a step that is replayed needs nothing of the host. A span is the work of one
// thread or one block: cut_span() makes long ones into several. Everything that changes from step to step is read from
// device memory too: *rate (learning rate), *step (steps done before this one), *clip (factor on every gradient; null: 1)
// and *guard (null: none). If *guard is not finite nothing is written at all, so a loss that went NaN leaves weights and
// state as they were. Arrays are [spans' total] flat and do not alias; spans do not overlap.
//
// `copy` (null: none) takes the new values rounded to bf16, at the same offsets and in the same pass: what a bf16 network
// computes with, while `values` stay its f32 masters.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/common/bf16.h"
#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

struct ParameterSpan {
  int64_t offset, count;
  float rate_scale, weight_decay;
};

constexpr int64_t kSpan =
    8192;  // parameters: enough to hide a block's start, few enough to spread over a chip

// Appends `span` to `spans` in pieces of at most kSpan parameters.
inline void cut_span(const ParameterSpan& span, std::vector<ParameterSpan>& spans) {
  for (int64_t done = 0; done < span.count; done += kSpan)
    spans.push_back(
        {span.offset + done, std::min(kSpan, span.count - done), span.rate_scale, span.weight_decay});
}

struct StepScalars {
  const float* rate;
  const int64_t* step;
  const float* clip;
  const float* guard;
};

// SGD with momentum, as PyTorch defines it:
//   g = clip grad + weight_decay w,   m = momentum m + g  (m = g in the first step),
//   w -= rate (nesterov ? g + momentum m : m)
// Floor: 20 bytes a parameter (w and m read and written, grad read), 2 more with a copy.
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

struct AdamRule {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  bool amsgrad = false;    // divide by the largest second moment so far
  bool decoupled = false;  // AdamW: w -= rate weight_decay w, instead of adding it to the gradient
};

// Adam (Kingma and Ba, ICLR 2015, algorithm 1), AMSGrad (Reddi, Kale, Kumar, ICLR 2018, algorithm 2, with PyTorch's bias
// correction) and AdamW (Loshchilov and Hutter, ICLR 2019, algorithm 2):
//   g = clip grad (+ weight_decay w),  m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,  t = *step + 1
//   s = amsgrad ? (largest = max(largest, v)) : v
//   w -= rate m / (1 - beta1^t) / ( sqrt(s) / sqrt(1 - beta2^t) + eps )
// Floor: 28 bytes a parameter, 36 with amsgrad, 2 more with a copy.
template <Device D>
struct Adam {
  template <class T>
  static void step(Context&, const ParameterSpan* spans, int64_t span_count, const StepScalars&,
                   const AdamRule&, const T* grads, T* values, T* first, T* second, T* largest,
                   bf16* copy = nullptr);

  static Floor floor(int64_t parameters, bool amsgrad, bool copy = false) {
    return {((amsgrad ? 36.0 : 28.0) + (copy ? 2.0 : 0.0)) * static_cast<double>(parameters),
            14.0 * static_cast<double>(parameters)};
  }
};

// *factor = min(1, limit / |grads|), the L2 norm over all spans, summed span by span and then over the spans: two stages
// whose order never changes. A norm that is not finite gives 1: the guard sees to it.
template <Device D>
struct GradientClip {
  template <class T>
  static void factor(Context&, const ParameterSpan* spans, int64_t span_count, double limit, const T* grads,
                     float* factor);

  static Floor floor(int64_t parameters) {
    return {4.0 * static_cast<double>(parameters), 2.0 * static_cast<double>(parameters)};
  }
};

// *step += 1 unless *guard is not finite.
template <Device D>
struct StepCounter {
  static void advance(Context&, const float* guard, int64_t* step);

  static Floor floor() { return {20, 1}; }  // the guard read, the count read and written
};

}  // namespace saccade
