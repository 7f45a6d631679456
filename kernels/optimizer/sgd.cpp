#include "kernels/optimizer/optimizer.h"

#include <algorithm>
#include <cmath>

#include "kernels/common/parallel.h"

namespace saccade {

namespace {

bool is_stopped(const float* guard) {
  return guard && !std::isfinite(*guard);
}

// work(span, begin, end) for every span; what a thread takes does not change a bit of the result.
template <class Work>
void for_spans(Context& context, const ParameterSpan* spans, int64_t span_count, Work&& work) {
  parallel_for(context, span_count, 4, [&](int64_t first, int64_t last) {
    for (const ParameterSpan* span = spans + first; span < spans + last; ++span)
      work(*span, span->offset, span->offset + span->count);
  });
}

void round_values(int64_t begin, int64_t end, const float* values, bf16* copy) {
  for (int64_t i = begin; copy && i < end; ++i) copy[i] = bf16(values[i]);
}

}  // namespace

template <>
template <>
void Sgd<Device::cpu>::step(Context& context, const ParameterSpan* spans, int64_t span_count,
                            const StepScalars& s, double momentum, bool nesterov, const float* grads,
                            float* values, float* velocity, bf16* copy) {
  if (is_stopped(s.guard)) return;
  const float clip = s.clip ? *s.clip : 1.0f, keep = *s.step == 0 ? 0.0f : static_cast<float>(momentum);
  const float ahead = nesterov ? static_cast<float>(momentum) : 0.0f;
  for_spans(context, spans, span_count, [&](const ParameterSpan& span, int64_t begin, int64_t end) {
    const float rate = *s.rate * span.rate_scale, decay = span.weight_decay;
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const float g = grads[i] * clip + decay * values[i];
      const float v = keep * velocity[i] + g;
      velocity[i] = v;
      values[i] -= rate * (nesterov ? g + ahead * v : v);
    }
    round_values(begin, end, values, copy);
  });
}

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
  for_spans(context, spans, span_count, [&](const ParameterSpan& span, int64_t begin, int64_t end) {
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
    round_values(begin, end, values, copy);
  });
}

template <>
template <>
void GradientClip<Device::cpu>::factor(Context&, const ParameterSpan* spans, int64_t span_count, double limit,
                                       const float* grads, float* factor) {
  double squares = 0;  // serial: one order for any number of threads, and bound by memory anyway
  for (const ParameterSpan* span = spans; span < spans + span_count; ++span)
    for (int64_t begin = span->offset; begin < span->offset + span->count; begin += 256) {
      float sum = 0;
      const int64_t end = std::min(begin + 256, span->offset + span->count);
#pragma omp simd reduction(+ : sum)
      for (int64_t i = begin; i < end; ++i) sum += grads[i] * grads[i];
      squares += sum;
    }
  const double norm = std::sqrt(squares);
  *factor = norm > limit && std::isfinite(norm) ? static_cast<float>(limit / norm) : 1.0f;
}

template <>
void StepCounter<Device::cpu>::advance(Context&, const float* guard, int64_t* step) {
  if (!is_stopped(guard)) ++*step;
}

}  // namespace saccade
