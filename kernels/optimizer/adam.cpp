#include "kernels/optimizer/adam.h"

#include "kernels/optimizer/for_spans.h"

namespace saccade {

template <>
template <>
void Adam<Device::cpu>::step(Context& context, const ParameterSpan* spans, int64_t span_count,
                             const StepScalars& s, const AdamRule& rule, const float* grads, float* values,
                             float* first, float* second, float* largest, bf16* copy) {
  if (is_stopped(s.guard)) return;
  const double t = static_cast<double>(*s.step + 1);
  const double correction1 = 1 - std::pow(rule.beta1, t), correction2 = 1 - std::pow(rule.beta2, t);
  const float clip = s.clip ? *s.clip : 1.0f;
  const float beta1 = static_cast<float>(rule.beta1), beta2 = static_cast<float>(rule.beta2);
  const float rest1 = static_cast<float>(1 - rule.beta1), rest2 = static_cast<float>(1 - rule.beta2);
  const float unbias = static_cast<float>(1 / std::sqrt(correction2)), eps = static_cast<float>(rule.eps);
  const auto move = [&](const ParameterSpan& span, int64_t begin, int64_t end) {
    const double rate = static_cast<double>(*s.rate) * span.rate_scale;
    const float speed = static_cast<float>(rate / correction1);
    const float shrink = rule.decoupled ? static_cast<float>(1 - rate * span.weight_decay) : 1.0f;
    const float decay = rule.decoupled ? 0.0f : span.weight_decay;
    const auto update = [&](int64_t i, float scale, float m, float w) {
      values[i] = w - speed * m / (std::sqrt(scale) * unbias + eps);
    };
    if (rule.amsgrad) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        const float w = values[i] * shrink, g = grads[i] * clip + decay * w;
        const float m = beta1 * first[i] + rest1 * g, v = beta2 * second[i] + rest2 * g * g;
        const float top = largest[i] > v ? largest[i] : v;
        first[i] = m;
        second[i] = v;
        largest[i] = top;
        update(i, top, m, w);
      }
    } else {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        const float w = values[i] * shrink, g = grads[i] * clip + decay * w;
        const float m = beta1 * first[i] + rest1 * g, v = beta2 * second[i] + rest2 * g * g;
        first[i] = m;
        second[i] = v;
        update(i, v, m, w);
      }
    }
  };
  for_spans(context, spans, span_count, values, copy, move);
}

}  // namespace saccade
