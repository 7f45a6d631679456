#include "autograd/functions/optimizer_step.h"

#include <algorithm>

#include "autograd/functions/common.h"
#include "kernels/optimizer/adam.ref.h"
#include "kernels/optimizer/gradient_clip.ref.h"
#include "kernels/optimizer/sgd.ref.h"
#include "kernels/optimizer/step_counter.ref.h"

namespace saccade {

namespace {

void check_flat(const char* op, const Tensor& grads, std::initializer_list<const Tensor*> others) {
  for (const Tensor* other : others)
    check_input(grads.shape().rank() == 1 && other->shape() == grads.shape(), op, ": grads ",
                grads.shape().text(), " and ", other->shape().text(), " are not [P]");
}

}  // namespace

SpanTable::SpanTable(Context& context, int64_t parameters, const Tensor& spans, const Tensor& scales) {
  const char* op = context.current_op;
  const Shape pairs{spans.shape().rank() ? spans.size(0) : 0, 2};
  check_input(spans.shape() == pairs && (!scales || scales.shape() == pairs), op, ": spans ",
              spans.shape().text(), " and scales ", scales ? scales.shape().text() : "none",
              " are not [S,2]");
  const std::vector<int64_t> ranges = spans.to_host<int64_t>(context);
  const std::vector<float> factors =
      scales ? floats(context, scales) : std::vector<float>(ranges.size(), 1.0f);
  std::vector<ParameterSpan> given, table;
  for (size_t i = 0; i < ranges.size(); i += 2)
    given.push_back({ranges[i], ranges[i + 1], factors[i], factors[i + 1]});
  std::vector<ParameterSpan> in_order = given;
  std::sort(in_order.begin(), in_order.end(),
            [](const ParameterSpan& a, const ParameterSpan& b) { return a.offset < b.offset; });
  int64_t end = 0;
  for (const ParameterSpan& span : in_order) {
    check_input(span.offset >= end && span.count >= 0 && span.count <= parameters - span.offset, op,
                ": the span ", span.offset, " + ", span.count, " overlaps another or leaves the ", parameters,
                " parameters");
    end = span.offset + span.count;
  }
  for (const ParameterSpan& span : given) cut_span(span, table);
  count = static_cast<int64_t>(table.size());
  const size_t size = table.size() * sizeof(ParameterSpan);
  bytes = Tensor::from_host(context, {static_cast<int64_t>(size)}, DType::u8, table.data(), size);
}

StepTables::StepTables(Context& context, const SpanTable& table, const Tensor& rate_, const Tensor& clip_,
                       const Tensor& guard_, const Tensor& step_)
    : spans(table),
      rate(converted(context, rate_, DType::f32)),
      clip(converted(context, clip_, DType::f32)),
      guard(converted(context, guard_, DType::f32)),
      step(step_) {
  for (const Tensor* scalar : {&rate, &clip, &guard, &step})
    check_input(scalar->count() == 1, context.current_op, ": rate, clip, guard and step are [1], not ",
                scalar->shape().text());
}

std::vector<Tensor> sgd_step(Tape& tape, const StepTables& tables, const Tensor& grads, const Tensor& values,
                             const Tensor& velocity, double momentum, bool nesterov) {
  tape.begin("sgd");
  Context& context = tape.context();
  check_flat("sgd", grads, {&values, &velocity});
  const Tensor after = copy_of(context, values), speed = copy_of(context, velocity);
  dispatch_f32(context, values.dtype(), [&]<Device D, class T>() {
    Sgd<D>::step(context, tables.spans.data(), tables.spans.count, tables.scalars(), momentum, nesterov,
                 grads.data<T>(), after.data<T>(), speed.data<T>());
  });
  return {after, speed};
}

std::vector<Tensor> adam_step(Tape& tape, const StepTables& tables, const Tensor& grads, const Tensor& values,
                              const Tensor& first, const Tensor& second, const Tensor& largest,
                              const AdamRule& rule) {
  tape.begin("adam");
  Context& context = tape.context();
  check_flat("adam", grads, {&values, &first, &second, &largest});
  const Tensor after = copy_of(context, values), m = copy_of(context, first), v = copy_of(context, second),
               top = copy_of(context, largest);
  dispatch_f32(context, values.dtype(), [&]<Device D, class T>() {
    Adam<D>::step(context, tables.spans.data(), tables.spans.count, tables.scalars(), rule, grads.data<T>(),
                  after.data<T>(), m.data<T>(), v.data<T>(), top.data<T>());
  });
  return {after, m, v, top};
}

Tensor clip_factor(Tape& tape, const SpanTable& spans, const Tensor& grads, double limit) {
  tape.begin("gradient_clip");
  Context& context = tape.context();
  check_flat("gradient_clip", grads, {&grads});
  const Tensor factor = tape.empty({1}, DType::f32);
  dispatch_f32(context, grads.dtype(), [&]<Device D, class T>() {
    GradientClip<D>::factor(context, spans.data(), spans.count, limit, grads.data<T>(), factor.data<float>());
  });
  return factor;
}

Tensor counted_step(Tape& tape, const Tensor& step, const Tensor& guard) {
  tape.begin("step_counter");
  Context& context = tape.context();
  check_input(step.count() == 1 && guard.count() == 1, "step_counter: step ", step.shape().text(),
              " and guard ", guard.shape().text(), " are not [1]");
  const Tensor finite = converted(context, guard, DType::f32), after = copy_of(context, step);
  dispatch_f32(context, guard.dtype(), [&]<Device D, class T>() {
    StepCounter<D>::advance(context, finite.data<float>(), after.data<int64_t>());
  });
  return after;
}

}  // namespace saccade
