#include "autograd/functions/cast.h"

#include "autograd/functions/common.h"

namespace saccade {

Variable cast(Tape& tape, const Variable& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  tape.begin("cast");
  return tape.record(cast_copy(tape.context(), x.value, dtype), {&x},
                     [x = slot_of(x), from = x.dtype()](Tape& t, const Tensor& grad_y) {
                       t.add_gradient(x, cast_copy(t.context(), grad_y, from));
                     });
}

Variable in_precision(Tape& tape, const Variable& x) {
  const bool rounds = tape.context().precision == Precision::bf16 && x.dtype() == DType::f32;
  return rounds ? cast(tape, x, DType::bf16) : x;
}

Variable in_f32(Tape& tape, const Variable& x) {
  return x.dtype() == DType::bf16 ? cast(tape, x, DType::f32) : x;
}

}  // namespace saccade
