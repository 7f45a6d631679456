#include "autograd/optimizer.h"

#include "kernels/optimizer/adam.ref.h"
#include "kernels/optimizer/gradient_clip.ref.h"
#include "kernels/optimizer/sgd.ref.h"
#include "kernels/optimizer/step_counter.ref.h"
#include "tensor/dispatch.h"

namespace saccade {

Optimizer::Optimizer(Context& context, ParameterArena& arena, const OptimizerConfig& config)
    : config_(config), values_(arena.values), grads_(arena.grads), copy_(arena.bf16_values) {
  const auto flat = [&] { return Tensor::zeros(context, values_.shape(), values_.dtype()); };
  first_ = flat();
  if (config.kind != OptimizerConfig::sgd) second_ = flat();
  if (config.kind == OptimizerConfig::amsgrad) largest_ = flat();
  rate_ = Tensor::zeros(context, {1}, DType::f32);
  clip_ = Tensor::zeros(context, {1}, DType::f32);
  steps_ = Tensor::zeros(context, {1}, DType::i64);
  update_spans(context, arena);
}

void Optimizer::update_spans(Context& context, const ParameterArena& arena) {
  std::vector<ParameterSpan> runs, spans;
  for (const Parameter& p : arena.all()) {
    if (!p.trainable || p.frozen()) continue;
    check(p.group() >= 0 && static_cast<size_t>(p.group()) < config_.groups.size(), p.name,
          " is in optimizer group ", p.group(), ", which does not exist");
    const OptimizerConfig::Group& group = config_.groups[static_cast<size_t>(p.group())];
    const ParameterSpan span{p.offset, p.shape.count(), static_cast<float>(group.rate_scale),
                             static_cast<float>(config_.weight_decay * group.decay_scale)};
    // Neighbors of one kind become one run; the padding between them is zero and stays zero.
    if (!runs.empty()) {
      ParameterSpan& last = runs.back();
      const int64_t gap = span.offset - (last.offset + last.count);
      if (gap >= 0 && gap < 64 && last.rate_scale == span.rate_scale &&
          last.weight_decay == span.weight_decay) {
        last.count = span.offset + span.count - last.offset;
        continue;
      }
    }
    runs.push_back(span);
  }
  for (const ParameterSpan& run : runs) cut_span(run, spans);
  span_count_ = static_cast<int64_t>(spans.size());
  spans_ = Tensor::from_host(context, {span_count_ * static_cast<int64_t>(sizeof(ParameterSpan))}, DType::u8,
                             spans.data(), spans.size() * sizeof(ParameterSpan));
}

void Optimizer::set_learning_rate(Context& context, double rate) {
  const float value = static_cast<float>(rate);
  rate_.write(context, &value);
}

void Optimizer::step(Context& context, const float* guard) {
  context.current_op = "optimizer";
  values_.mark_written();
  if (copy_) copy_.mark_written();
  const auto* spans = reinterpret_cast<const ParameterSpan*>(spans_.data<uint8_t>());
  bf16* copy = copy_ ? copy_.data<bf16>() : nullptr;
  dispatch_f32(context, values_.dtype(), [&]<Device D, class T>() {
    if (config_.clip > 0)
      GradientClip<D>::factor(context, spans, span_count_, config_.clip, grads_.data<T>(),
                              clip_.data<float>());
    const StepScalars scalars{rate_.data<float>(), steps_.data<int64_t>(),
                              config_.clip > 0 ? clip_.data<float>() : nullptr, guard};
    if (config_.kind == OptimizerConfig::sgd) {
      Sgd<D>::step(context, spans, span_count_, scalars, config_.momentum, config_.nesterov, grads_.data<T>(),
                   values_.data<T>(), first_.data<T>(), copy);
    } else {
      const AdamRule rule{config_.beta1, config_.beta2, config_.eps, config_.kind == OptimizerConfig::amsgrad,
                          config_.kind == OptimizerConfig::adamw};
      Adam<D>::step(context, spans, span_count_, scalars, rule, grads_.data<T>(), values_.data<T>(),
                    first_.data<T>(), second_.data<T>(), largest_.data<T>(), copy);
    }
    StepCounter<D>::advance(context, guard, steps_.data<int64_t>());
  });
  context.current_op = nullptr;
}

std::vector<std::pair<std::string, Tensor>> Optimizer::state() const {
  std::vector<std::pair<std::string, Tensor>> all = {{"steps", steps_}, {"first", first_}};
  if (second_) all.emplace_back("second", second_);
  if (largest_) all.emplace_back("largest", largest_);
  return all;
}

}  // namespace saccade
