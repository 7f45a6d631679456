#include "kernels/optimizer/sgd.h"

#include "kernels/optimizer/for_spans.h"

namespace saccade {

template <>
template <>
void Sgd<Device::cpu>::step(Context& context, const ParameterSpan* spans, int64_t span_count,
                            const StepScalars& s, double momentum, bool nesterov, const float* grads,
                            float* values, float* velocity, bf16* copy) {
  if (is_stopped(s.guard)) return;
  const float clip = s.clip ? *s.clip : 1.0f, keep = *s.step == 0 ? 0.0f : static_cast<float>(momentum);
  const float ahead = nesterov ? static_cast<float>(momentum) : 0.0f;
  for_spans(context, spans, span_count, values, copy,
            [&](const ParameterSpan& span, int64_t begin, int64_t end) {
              const float rate = *s.rate * span.rate_scale, decay = span.weight_decay;
#pragma omp simd
              for (int64_t i = begin; i < end; ++i) {
                const float g = grads[i] * clip + decay * values[i];
                const float v = keep * velocity[i] + g;
                velocity[i] = v;
                values[i] -= rate * (nesterov ? g + ahead * v : v);
              }
            });
}

}  // namespace saccade
