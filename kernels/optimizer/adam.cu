#include "kernels/optimizer/adam.h"
#include "kernels/optimizer/adam.plain.h"
#include "kernels/optimizer/span_step.h"

namespace saccade {

namespace {

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

template <bool amsgrad>
struct AdamSettings {
  using Step = AdamStep<amsgrad>;
  float beta1, beta2, rest1, rest2, log_beta1, log_beta2, eps;
  bool decoupled;

  __device__ Step at(const StepScalars& s, const ParameterSpan& span) const {
    // 1 - beta^t comes from expm1: the power itself would leave few of its digits in f32.
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

template <bool amsgrad>
AdamSettings<amsgrad> settings_of(const AdamRule& rule) {
  const auto f32 = [](double x) { return static_cast<float>(x); };
  return {f32(rule.beta1),           f32(rule.beta2),           f32(1 - rule.beta1), f32(1 - rule.beta2),
          f32(std::log(rule.beta1)), f32(std::log(rule.beta2)), f32(rule.eps),       rule.decoupled};
}

}  // namespace

template <>
template <>
void Adam<kGpu>::step(Context& context, const ParameterSpan* spans, int64_t span_count,
                      const StepScalars& scalars, const AdamRule& rule, const float* grads, float* values,
                      float* first, float* second, float* largest, bf16* copy) {
  if (context.kernels == Kernels::plain)
    return each(context, span_count * kSpan,
                PlainAdam{spans, scalars, rule, grads, values, first, second, largest, copy});
  if (rule.amsgrad)
    run_step(context, spans, span_count, scalars, settings_of<true>(rule),
             {grads, values, {first, second, largest}, copy});
  else
    run_step(context, spans, span_count, scalars, settings_of<false>(rule),
             {grads, values, {first, second}, copy});
}

}  // namespace saccade
