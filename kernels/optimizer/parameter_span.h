// What the ops of an optimizer's step share (sgd.h, adam.h, gradient_clip.h, step_counter.h): a flat arena of
// parameters, moved in one launch.
//
// The arena is covered by spans, each with its own scale of the learning rate and its own weight decay. They lie in
// device memory and are uploaded when they change, so a step that is replayed needs nothing of the host. A span is the
// work of one thread or of one block: cut_span() makes several of a long one. Spans do not overlap.
//
// Arrays are flat, [parameters of the arena], and do not alias. Everything that changes from step to step is read from
// device memory, too (StepScalars). If *guard is not finite, nothing is written at all: a loss that became NaN leaves
// weights and state as they were.
//
// `copy` (may be null) takes the new values rounded to bf16, at the same offsets and in the same pass. A bf16 network
// computes with them, while `values` stay its f32 masters.
#pragma once

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/common/bf16.h"
#include "kernels/common/context.h"
#include "kernels/common/floor.h"
#include "kernels/common/host_device.h"

namespace saccade {

struct ParameterSpan {
  int64_t offset, count;
  float rate_scale, weight_decay;
};

// The most parameters of a span: enough to hide a block's start, few enough to spread an arena over a chip.
constexpr int64_t kSpan = 8192;

// Appends `span` to `spans` in pieces of at most kSpan parameters.
inline void cut_span(const ParameterSpan& span, std::vector<ParameterSpan>& spans) {
  for (int64_t done = 0; done < span.count; done += kSpan)
    spans.push_back(
        {span.offset + done, std::min(kSpan, span.count - done), span.rate_scale, span.weight_decay});
}

struct StepScalars {
  const float* rate;    // the learning rate
  const int64_t* step;  // the steps done before this one
  const float* clip;    // a factor on every gradient; null: 1
  const float* guard;   // null: none
};

SACCADE_HD inline bool is_finite(float x) {
  return fabsf(x) <= FLT_MAX;  // false for a NaN, too
}

// Whether a guard that is not finite forbids the step.
SACCADE_HD inline bool is_stopped(const float* guard) {
  return guard && !is_finite(*guard);
}

}  // namespace saccade
