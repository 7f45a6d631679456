// What sgd.cu and adam.cu share: the one kernel that moves an arena. `Settings` is a struct of what the host knows of a
// step. Its at(scalars, span) gives a Settings::Step, which holds all that is the same for the parameters of a span and
// moves one of them: it returns the new w and updates the state.
//
//   float operator()(float w, float grad, float (&state)[kStates]) const
#pragma once

#include "kernels/common/launch.h"
#include "kernels/common/vector.h"
#include "kernels/optimizer/parameter_span.h"

namespace saccade {
inline namespace SACCADE_TARGET {

constexpr int kSpanThreads = 256;
constexpr int kSpanVector = kVector<float, true>;  // parameters of a 16-byte access

template <int States>
struct SpanArrays {
  const float* grads;
  float* values;
  float* state[States];
  bf16* copy;
};

template <int V, class Step>
__device__ __forceinline__ void update(const Step& step, const SpanArrays<Step::kStates>& a, int64_t i) {
  constexpr int kStates = Step::kStates, kBytes = V * static_cast<int>(sizeof(float));
  Pack<float, V> w = load<kBytes>(a.values + i), state[kStates];
  const Pack<float, V> g = load<kBytes, Use::once>(a.grads + i);
#pragma unroll
  for (int s = 0; s < kStates; ++s) state[s] = load<kBytes>(a.state[s] + i);
#pragma unroll
  for (int lane = 0; lane < V; ++lane) {
    float one[kStates];
#pragma unroll
    for (int s = 0; s < kStates; ++s) one[s] = state[s].lane[lane];
    w.lane[lane] = step(w.lane[lane], g.lane[lane], one);
#pragma unroll
    for (int s = 0; s < kStates; ++s) state[s].lane[lane] = one[s];
  }
  store<kBytes>(a.values + i, w);
#pragma unroll
  for (int s = 0; s < kStates; ++s) store<kBytes>(a.state[s] + i, state[s]);
  if (a.copy) store<V * sizeof(bf16)>(a.copy + i, from_f32<bf16>(w));
}

// How many whole vectors a span is made of; none where an array is not aligned to them.
__device__ __forceinline__ int64_t vectors_of(const ParameterSpan& span, bool all_aligned) {
  return all_aligned && span.offset % kSpanVector == 0 ? span.count / kSpanVector : 0;
}

// Block b takes span b.
template <class Settings>
__global__ void __launch_bounds__(kSpanThreads)
    optimizer_step(const ParameterSpan* __restrict__ spans, StepScalars scalars, Settings settings,
                   SpanArrays<Settings::Step::kStates> arrays, bool all_aligned) {
  if (is_stopped(scalars.guard)) return;
  const ParameterSpan span = spans[blockIdx.x];
  const auto step = settings.at(scalars, span);
  const int64_t vectors = vectors_of(span, all_aligned);
#pragma unroll 2
  for (int64_t v = threadIdx.x; v < vectors; v += kSpanThreads)
    update<kSpanVector>(step, arrays, span.offset + v * kSpanVector);
  for (int64_t i = vectors * kSpanVector + threadIdx.x; i < span.count; i += kSpanThreads)
    update<1>(step, arrays, span.offset + i);
}

template <class Settings>
void run_step(Context& context, const ParameterSpan* spans, int64_t span_count, const StepScalars& scalars,
              const Settings& settings, const SpanArrays<Settings::Step::kStates>& arrays) {
  bool all_aligned = aligned(arrays.grads, 16) && aligned(arrays.values, 16) && aligned(arrays.copy, 8);
  for (const float* state : arrays.state) all_aligned = all_aligned && aligned(state, 16);
  launch(optimizer_step<Settings>, blocks_for(span_count, 1), kSpanThreads, 0, context.stream(), spans,
         scalars, settings, arrays, all_aligned);
}

}  // namespace SACCADE_TARGET
}  // namespace saccade
