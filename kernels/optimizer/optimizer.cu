#include <cmath>

#include "kernels/common/launch.h"
#include "kernels/common/reduce.h"
#include "kernels/common/vector.h"
#include "kernels/optimizer/optimizer.h"
#include "kernels/optimizer/optimizer.plain.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;
constexpr int kPerVector = 4;  // parameters of a 16-byte access

// The rule of one parameter, with all that is the same for its span: returns the new value.
struct SgdStep {
  static constexpr int kStates = 1;  // velocity
  float rate, decay, clip, keep, momentum;
  bool nesterov;

  __device__ __forceinline__ float operator()(float w, float grad, float (&state)[kStates]) const {
    const float g = grad * clip + decay * w;
    const float v = state[0] = keep * state[0] + g;
    return w - rate * (nesterov ? g + momentum * v : v);
  }
};

template <bool amsgrad>
struct AdamStep {
  static constexpr int kStates = amsgrad ? 3 : 2;  // first, second, largest
  float speed, shrink, decay, clip, beta1, beta2, rest1, rest2, unbias, eps;

  __device__ __forceinline__ float operator()(float w, float grad, float (&state)[kStates]) const {
    w *= shrink;
    const float g = grad * clip + decay * w;
    const float m = state[0] = beta1 * state[0] + rest1 * g;
    float scale = state[1] = beta2 * state[1] + rest2 * g * g;
    if constexpr (amsgrad) scale = state[2] = state[2] > scale ? state[2] : scale;
    return w - speed * m / (sqrtf(scale) * unbias + eps);
  }
};

// What the host knows of a rule; at() adds what a step and a span bring.
struct SgdSettings {
  using Step = SgdStep;
  float momentum;
  bool nesterov;

  __device__ Step at(const StepScalars& s, const ParameterSpan& span) const {
    return {*s.rate * span.rate_scale,      span.weight_decay, s.clip ? *s.clip : 1.0f,
            *s.step == 0 ? 0.0f : momentum, momentum,          nesterov};
  }
};

template <bool amsgrad>
struct AdamSettings {
  using Step = AdamStep<amsgrad>;
  float beta1, beta2, rest1, rest2, log_beta1, log_beta2, eps;
  bool decoupled;

  __device__ Step at(const StepScalars& s, const ParameterSpan& span) const {
    // 1 - beta^t through expm1: in f32 the power itself would leave few digits of it.
    const float t = static_cast<float>(*s.step + 1), rate = *s.rate * span.rate_scale;
    const float correction1 = -expm1f(t * log_beta1), correction2 = -expm1f(t * log_beta2);
    return {rate / correction1,
            decoupled ? 1.0f - rate * span.weight_decay : 1.0f,
            decoupled ? 0.0f : span.weight_decay,
            s.clip ? *s.clip : 1.0f,
            beta1,
            beta2,
            rest1,
            rest2,
            1.0f / sqrtf(correction2),
            eps};
  }
};

template <int States>
struct Arrays {
  const float* grads;
  float* values;
  float* state[States];
  bf16* copy;
};

template <int V, class Step>
__device__ __forceinline__ void update(const Step& step, const Arrays<Step::kStates>& a, int64_t i) {
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

// Vectors of a span that `vectorized` (all arrays aligned) lets a block take.
__device__ __forceinline__ int64_t vectors_of(const ParameterSpan& span, bool vectorized) {
  return vectorized && span.offset % kPerVector == 0 ? span.count / kPerVector : 0;
}

// Block b takes span b.
template <class Settings>
__global__ void __launch_bounds__(kThreads)
    optimizer_step(const ParameterSpan* __restrict__ spans, StepScalars scalars, Settings settings,
                   Arrays<Settings::Step::kStates> arrays, bool vectorized) {
  if (is_stopped(scalars.guard)) return;
  const ParameterSpan span = spans[blockIdx.x];
  const auto step = settings.at(scalars, span);
  const int64_t vectors = vectors_of(span, vectorized);
#pragma unroll 2
  for (int64_t v = threadIdx.x; v < vectors; v += kThreads)
    update<kPerVector>(step, arrays, span.offset + v * kPerVector);
  for (int64_t i = vectors * kPerVector + threadIdx.x; i < span.count; i += kThreads)
    update<1>(step, arrays, span.offset + i);
}

// squares[b] = sum of grads^2 over span b.
__global__ void __launch_bounds__(kThreads)
    sum_squares(const ParameterSpan* __restrict__ spans, const float* __restrict__ grads, bool vectorized,
                float* __restrict__ squares) {
  const ParameterSpan span = spans[blockIdx.x];
  const int64_t vectors = vectors_of(span, vectorized);
  float sum = 0;
#pragma unroll 4
  for (int64_t v = threadIdx.x; v < vectors; v += kThreads) {
    const Pack<float, kPerVector> g = load<16>(grads + span.offset + v * kPerVector);
#pragma unroll
    for (int lane = 0; lane < kPerVector; ++lane) sum += g.lane[lane] * g.lane[lane];
  }
  for (int64_t i = vectors * kPerVector + threadIdx.x; i < span.count; i += kThreads) {
    const float g = grads[span.offset + i];
    sum += g * g;
  }
  sum = block_reduce<kThreads>(sum, Add());
  if (threadIdx.x == 0) squares[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads)
    clip_factor(int64_t spans, const float* __restrict__ squares, float limit, float* __restrict__ factor) {
  float sum = 0;
#pragma unroll 4
  for (int64_t span = threadIdx.x; span < spans; span += kThreads) sum += squares[span];
  const float norm = sqrtf(block_reduce<kThreads>(sum, Add()));
  if (threadIdx.x == 0) *factor = norm > limit && finite(norm) ? limit / norm : 1.0f;
}

__global__ void advance_step(const float* guard, int64_t* step) {
  if (!is_stopped(guard)) ++*step;
}

template <class Settings>
void run(Context& context, const ParameterSpan* spans, int64_t span_count, const StepScalars& scalars,
         const Settings& settings, const Arrays<Settings::Step::kStates>& arrays) {
  bool vectorized = aligned(arrays.grads, 16) && aligned(arrays.values, 16) && aligned(arrays.copy, 8);
  for (const float* state : arrays.state) vectorized = vectorized && aligned(state, 16);
  launch(optimizer_step<Settings>, blocks_for(span_count, 1), kThreads, 0, context.stream(), spans, scalars,
         settings, arrays, vectorized);
}

template <bool amsgrad>
AdamSettings<amsgrad> settings_of(const AdamRule& rule) {
  const auto in_f32 = [](double x) { return static_cast<float>(x); };
  return {in_f32(rule.beta1),
          in_f32(rule.beta2),
          in_f32(1 - rule.beta1),
          in_f32(1 - rule.beta2),
          in_f32(std::log(rule.beta1)),
          in_f32(std::log(rule.beta2)),
          in_f32(rule.eps),
          rule.decoupled};
}

}  // namespace

template <>
template <>
void Sgd<kGpu>::step(Context& context, const ParameterSpan* spans, int64_t span_count,
                     const StepScalars& scalars, double momentum, bool nesterov, const float* grads,
                     float* values, float* velocity, bf16* copy) {
  const SgdSettings settings{static_cast<float>(momentum), nesterov};
  if (context.kernels == Kernels::plain)
    return each(context, span_count * kSpan,
                PlainSgd{spans, scalars, settings.momentum, nesterov, grads, values, velocity, copy});
  run(context, spans, span_count, scalars, settings, {grads, values, {velocity}, copy});
}

template <>
template <>
void Adam<kGpu>::step(Context& context, const ParameterSpan* spans, int64_t span_count,
                      const StepScalars& scalars, const AdamRule& rule, const float* grads, float* values,
                      float* first, float* second, float* largest, bf16* copy) {
  if (context.kernels == Kernels::plain)
    return each(context, span_count * kSpan,
                PlainAdam{spans, scalars, rule, grads, values, first, second, largest, copy});
  if (rule.amsgrad)
    run(context, spans, span_count, scalars, settings_of<true>(rule),
        {grads, values, {first, second, largest}, copy});
  else
    run(context, spans, span_count, scalars, settings_of<false>(rule),
        {grads, values, {first, second}, copy});
}

template <>
template <>
void GradientClip<kGpu>::factor(Context& context, const ParameterSpan* spans, int64_t span_count,
                                double limit, const float* grads, float* factor) {
  if (context.kernels == Kernels::plain) {
    Context::Scratch squares(context, static_cast<size_t>(span_count) * sizeof(double));
    each(context, span_count, PlainSquares{spans, grads, squares.as<double>()});
    return each(context, 1,
                PlainClipFactor{span_count, squares.as<double>(), static_cast<float>(limit), factor});
  }
  Context::Scratch squares(context, static_cast<size_t>(span_count) * sizeof(float));
  launch(sum_squares, blocks_for(span_count, 1), kThreads, 0, context.stream(), spans, grads,
         aligned(grads, 16), squares.as<float>());
  launch(clip_factor, 1, kThreads, 0, context.stream(), span_count, squares.as<float>(),
         static_cast<float>(limit), factor);
}

template <>
void StepCounter<kGpu>::advance(Context& context, const float* guard, int64_t* step) {
  launch(advance_step, 1, 1, 0, context.stream(), guard, step);
}

}  // namespace saccade
