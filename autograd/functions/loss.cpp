#include "autograd/functions/loss.h"

#include "autograd/functions/common.h"
#include "kernels/common/device.h"
#include "kernels/elementwise/arithmetic.ref.h"
#include "kernels/elementwise/axpy.ref.h"
#include "kernels/loss/cross_entropy.ref.h"
#include "kernels/metric/batch_hard_triplet.ref.h"

namespace saccade {

Variable cross_entropy(Tape& tape, const Variable& logits, const Tensor& labels, double smoothing) {
  tape.begin("cross_entropy");
  const Shape& shape = logits.shape();
  check_input(shape.rank() == 2 && shape[1] > 0 && labels.shape() == Shape{shape[0]},
              "cross_entropy: logits ", shape.text(), " and labels ", labels.shape().text(),
              " do not fit [N,C] and [N]");
  check_input(smoothing >= 0 && smoothing <= 1, "cross_entropy: smoothing must lie between 0 and 1");
  const DType wide = accumulator_of(logits.dtype());
  const Tensor loss = tape.empty({1}, wide), grad_logits = tape.empty_like(logits.value);
  dispatch(tape.context(), logits.dtype(), [&]<Device D, class T>() {
    CrossEntropy<D>::forward(tape.context(), shape[0], shape[1], logits.value.data<T>(),
                             labels.data<int64_t>(), smoothing, loss.data<Accumulator<T>>(),
                             grad_logits.data<T>());
  });
  // The gradient is scaled in place: it is nobody else's.
  const auto backward = [rows = shape[0], classes = shape[1], logits = slot_of(logits),
                         scaled = Saved(grad_logits)](Tape& t, const Tensor& grad_loss) {
    const Tensor grad = scaled.get();
    dispatch(t.context(), grad.dtype(), [&]<Device D, class T>() {
      CrossEntropy<D>::backward(t.context(), rows, classes, grad_loss.data<Accumulator<T>>(), grad.data<T>());
    });
    t.add_gradient(logits, grad);
  };
  return tape.record(loss, {&logits}, backward);
}

Triplet batch_hard_triplet(Tape& tape, const Variable& embeddings, const Tensor& labels, double margin,
                           bool squared) {
  tape.begin("batch_hard_triplet");
  const Shape& shape = embeddings.shape();
  check_input(shape.rank() == 2 && labels.shape() == Shape{shape[0]}, "batch_hard_triplet: embeddings ",
              shape.text(), " and labels ", labels.shape().text(), " do not fit [N,D] and [N]");
  const int64_t n = shape[0], d = shape[1];
  // Sums over bf16 are kept in f32, and so are the loss and the distances that backward needs.
  const DType wide = accumulator_of(embeddings.dtype());
  const Tensor loss = tape.empty({1}, wide), positive_d2 = tape.empty({n}, wide),
               negative_d2 = tape.empty({n}, wide);
  const Tensor positive = tape.empty({n}, DType::i64), negative = tape.empty({n}, DType::i64);
  dispatch(tape.context(), embeddings.dtype(), [&]<Device D, class T>() {
    using A = Accumulator<T>;
    BatchHardTriplet<D>::forward(tape.context(), n, d, embeddings.value.data<T>(), labels.data<int64_t>(),
                                 margin, squared, loss.data<A>(), positive.data<int64_t>(),
                                 negative.data<int64_t>(), positive_d2.data<A>(), negative_d2.data<A>());
  });
  const auto backward = [=, embeddings = slot_of(embeddings), xs = Saved(embeddings.value),
                         positives = Saved(positive), negatives = Saved(negative), near = Saved(positive_d2),
                         far = Saved(negative_d2)](Tape& t, const Tensor& grad_loss) {
    const Tensor grad = t.empty_like(xs.get());
    dispatch(t.context(), grad.dtype(), [&]<Device D, class T>() {
      using A = Accumulator<T>;
      BatchHardTriplet<D>::backward(t.context(), n, d, grad_loss.data<A>(), xs.data<T>(),
                                    positives.data<int64_t>(), negatives.data<int64_t>(), near.data<A>(),
                                    far.data<A>(), margin, squared, grad.data<T>());
    });
    t.add_gradient(embeddings, grad);
  };
  return {tape.record(loss, {&embeddings}, backward), positive, negative};
}

Variable weighted_sum(Tape& tape, const std::vector<Variable>& terms, const std::vector<double>& weights) {
  tape.begin("weighted_sum");
  check(!terms.empty() && terms.size() == weights.size(), "weighted_sum: ", terms.size(), " terms and ",
        weights.size(), " weights");
  const auto scaled = [](Tape& t, double factor, const Tensor& x) {
    const Tensor y = t.empty_like(x);
    dispatch(t.context(), x.dtype(), [&]<Device D, class T>() {
      Arithmetic<D>::scale(t.context(), x.count(), factor, x.data<T>(), y.data<T>());
    });
    return y;
  };
  const Tensor sum = scaled(tape, weights[0], terms[0].value);
  for (size_t i = 1; i < terms.size(); ++i) {
    const Tensor& x = terms[i].value;
    check(x.shape() == sum.shape(), "weighted_sum: terms of shapes ", x.shape().text(), " and ",
          sum.shape().text());
    dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
      Axpy<D>::accumulate(tape.context(), x.count(), weights[i], x.data<T>(), sum.data<T>());
    });
  }
  std::vector<const Variable*> inputs;
  std::vector<Variable> slots;
  for (const Variable& term : terms) {
    inputs.push_back(&term);
    slots.push_back(slot_of(term));
  }
  return tape.record(sum, inputs, [slots, weights, scaled](Tape& t, const Tensor& grad) {
    for (size_t i = 0; i < slots.size(); ++i)
      if (slots[i].needs_gradient()) t.add_gradient(slots[i], scaled(t, weights[i], grad));
  });
}

}  // namespace saccade
