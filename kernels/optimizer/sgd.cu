#include "kernels/optimizer/sgd.h"
#include "kernels/optimizer/sgd.plain.h"
#include "kernels/optimizer/span_step.h"

namespace saccade {

namespace {

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

struct SgdSettings {
  using Step = SgdStep;
  float momentum;
  bool nesterov;

  __device__ Step at(const StepScalars& s, const ParameterSpan& span) const {
    return {*s.rate * span.rate_scale,      span.weight_decay, s.clip ? *s.clip : 1.0f,
            *s.step == 0 ? 0.0f : momentum, momentum,          nesterov};
  }
};

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
  run_step(context, spans, span_count, scalars, settings, {grads, values, {velocity}, copy});
}

}  // namespace saccade
