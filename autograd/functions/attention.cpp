#include "autograd/functions/attention.h"

#include "autograd/functions/common.h"
#include "kernels/attention/group_max.ref.h"
#include "kernels/attention/sigmoid_gate.ref.h"
#include "kernels/pool/bin_pool.ref.h"

namespace saccade {

Variable group_max(Tape& tape, const Variable& features, const Tensor& keep, int64_t groups) {
  tape.begin("group_max");
  const Shape& in = features.shape();
  check_input(in.rank() == 4, "group_max: features has shape ", in.text(), ", not [N,H,W,groups*C]");
  check_input(groups >= 1 && groups <= 255, "group_max: groups = ", groups, " is not in 1..255");
  check_input(in[3] % groups == 0, "group_max: the ", in[3], " channels of features are not ", groups,
              " groups of one width");
  check_input(keep.shape() == Shape{in[0], groups}, "group_max: keep has shape ", keep.shape().text(),
              ", not [", in[0], ",", groups, "]");
  const int64_t images = in[0], pixels = in[1] * in[2], channels = in[3] / groups;
  const Tensor output = tape.empty({in[0], in[1], in[2], channels}, features.dtype());
  const Tensor argmax = tape.empty(output.shape(), DType::u8);
  dispatch(tape.context(), features.dtype(), [&]<Device D, class T>() {
    GroupMax<D>::forward(tape.context(), images, pixels, groups, channels, features.value.data<T>(),
                         keep.data<uint8_t>(), output.data<T>(), argmax.data<uint8_t>());
  });
  return tape.record(output, {&features},
                     [=, features = slot_of(features), shape = in, argmax = Saved(argmax)](
                         Tape& t, const Tensor& grad_output) {
                       const Tensor grad_features = t.empty(shape, grad_output.dtype());
                       dispatch(t.context(), grad_output.dtype(), [&]<Device D, class T>() {
                         GroupMax<D>::backward(t.context(), images, pixels, groups, channels,
                                               grad_output.data<T>(), argmax.data<uint8_t>(),
                                               grad_features.data<T>());
                       });
                       t.add_gradient(features, grad_features);
                     });
}

Variable sigmoid_gate(Tape& tape, const Variable& feature, const Variable& logits, const Variable& bias) {
  tape.begin("sigmoid_gate");
  const Shape& shape = feature.shape();
  check_input(shape.rank() == 4, "sigmoid_gate: feature has shape ", shape.text(), ", not [N,H,W,C]");
  check_input(logits.shape() == shape, "sigmoid_gate: logits has shape ", logits.shape().text(), ", feature ",
              shape.text());
  check_input(bias.shape() == Shape{shape[3]}, "sigmoid_gate: bias has shape ", bias.shape().text(),
              ", not [", shape[3], "]");
  const int64_t rows = shape.rows(), channels = shape[3];
  const Tensor output = tape.empty_like(feature.value);
  dispatch(tape.context(), feature.dtype(), [&]<Device D, class T>() {
    SigmoidGate<D>::forward(tape.context(), rows, channels, feature.value.data<T>(), logits.value.data<T>(),
                            bias.value.data<T>(), output.data<T>());
  });
  return tape.record(output, {&feature, &logits, &bias},
                     [=, feature = slot_of(feature), logits = slot_of(logits), bias = slot_of(bias),
                      f = Saved(feature.value), l = Saved(logits.value),
                      b = Saved(bias.value)](Tape& t, const Tensor& grad_output) {
                       const Tensor grad_feature = t.empty_like(f.get()), grad_logits = t.empty_like(l.get());
                       const Tensor grad_bias = t.empty_like(b.get());
                       dispatch(t.context(), grad_output.dtype(), [&]<Device D, class T>() {
                         SigmoidGate<D>::backward(
                             t.context(), rows, channels, grad_output.data<T>(), f.data<T>(), l.data<T>(),
                             b.data<T>(), grad_feature.data<T>(), grad_logits.data<T>(), grad_bias.data<T>());
                       });
                       t.add_gradient(feature, grad_feature);
                       t.add_gradient(logits, grad_logits);
                       t.add_gradient(bias, grad_bias);
                     });
}

Variable bin_pool(Tape& tape, const Variable& features, const Tensor& corner, int64_t bin_t, int64_t bin_h,
                  int64_t bin_w) {
  tape.begin("bin_pool");
  const Shape& in = features.shape();
  check_input(in.rank() == 5, "bin_pool: features has shape ", in.text(), ", not [N,T,H,W,C]");
  check_input(corner.shape() == Shape{in[0], 3}, "bin_pool: corner has shape ", corner.shape().text(),
              ", not [", in[0], ",3]");
  check_input(bin_t >= 1 && bin_h >= 1 && bin_w >= 1 && bin_t <= in[1] && bin_h <= in[2] && bin_w <= in[3],
              "bin_pool: a bin of ", bin_t, "x", bin_h, "x", bin_w, " does not fit into features of ",
              in.text());
  const BinPoolShape s{in[0], in[1], in[2], in[3], in[4], bin_t, bin_h, bin_w};
  const Tensor output = tape.empty({in[0], in[4]}, features.dtype());
  dispatch(tape.context(), features.dtype(), [&]<Device D, class T>() {
    BinPool<D>::forward(tape.context(), s, features.value.data<T>(), corner.data<int32_t>(),
                        output.data<T>());
  });
  // In place: several glimpses share a volume, and each touches its bin alone.
  return tape.record(
      output, {&features},
      [s, features = slot_of(features), corner = Saved(corner)](Tape& t, const Tensor& grad_output) {
        const Tape::Target target = t.gradient_of(features);
        dispatch(t.context(), grad_output.dtype(), [&]<Device D, class T>() {
          BinPool<D>::backward(t.context(), s, grad_output.data<T>(), corner.data<int32_t>(),
                               target.accumulate, target.tensor.data<T>());
        });
      });
}

}  // namespace saccade
