// The tape: what was computed, in order, and the gradients of it.
#pragma once

#include <functional>
#include <vector>

#include "autograd/convert.h"
#include "autograd/learner.h"
#include "autograd/parameter.h"
#include "tensor/dispatch.h"
#include "tensor/tensor.h"

namespace saccade {

// A tensor on a tape. `slot` is where its gradient will be; -1: none is wanted. `tape` is the number of the tape that
// it was computed on; 0: a constant, which any tape may use.
struct Variable {
  Tensor value;
  int slot = -1;
  uint64_t tape = 0;

  const Shape& shape() const { return value.shape(); }
  DType dtype() const { return value.dtype(); }
  bool needs_gradient() const { return slot >= 0; }
};

// The value as a constant: the one way from tape to tape. No gradient passes.
inline Variable detached(const Variable& x) {
  return {x.value};
}

// A value kept for the gradient. get() throws if somebody has written over it since.
class Saved {
 public:
  explicit Saved(const Tensor& tensor) : tensor_(tensor), version_(tensor.version()) {}
  const Tensor& get() const {
    check(tensor_.version() == version_, "a value saved for a gradient was overwritten before backward");
    return tensor_;
  }
  template <class T>
  T* data() const {
    return get().data<T>();
  }

 private:
  Tensor tensor_;
  uint64_t version_;
};

// A tape teaches the learners that it was made with: gradients arrive in their parameters alone. Through all other
// parameters they only pass, as through constants. So which loss moves what is a matter of which tape it is on, and
// losses that must not mix are on tapes of their own.
class Tape {
 public:
  using Backward = std::function<void(Tape&, const Tensor& grad)>;
  using BackwardOfMany = std::function<void(Tape&, const std::vector<Tensor>& grads)>;

  // Without learners nothing is recorded but what the gradients of input() need. The learners outlive the tape.
  explicit Tape(Context& context, std::vector<Learner*> learners = {});
  Tape(const Tape&) = delete;  // two tapes of one number would share their gradients
  Tape& operator=(const Tape&) = delete;

  Context& context() { return context_; }

  Variable constant(const Tensor& value) { return {value}; }
  Variable input(const Tensor& value);  // a leaf whose gradient is asked for with grad()

  // A parameter as its arena stores it, and in the precision that the context computes in: in bf16 the rounded copy.
  // Its gradient goes to the arena, if this tape teaches its learner and it is not frozen.
  Variable as_stored(Parameter& parameter) { return leaf(parameter, parameter.value); }
  Variable in_precision(Parameter& parameter) {
    return leaf(parameter, parameter.bf16_copy ? parameter.bf16_copy : parameter.value);
  }

  Tensor empty(const Shape& shape, DType dtype) { return Tensor(context_, shape, dtype); }
  Tensor empty_like(const Tensor& tensor) { return Tensor(context_, tensor.shape(), tensor.dtype()); }

  // --- For functions ---
  // First thing in each, so that errors and NaN reports can name it.
  void begin(const char* op) { context_.current_op = op; }
  // Puts `output` on the tape. `backward` receives d loss / d output and calls add_gradient or gradient_of for
  // each input that needs one. It is dropped when no input does. Error if an input lies on another tape.
  Variable record(const Tensor& output, const std::vector<const Variable*>& inputs, Backward backward);
  // The same for several outputs; the gradient of one that took no part in the loss is an empty tensor.
  std::vector<Variable> record_many(const std::vector<Tensor>& outputs,
                                    const std::vector<const Variable*>& inputs, BackwardOfMany backward);

  // --- For backward ---
  struct Target {
    Tensor tensor;    // where the gradient goes
    bool accumulate;  // add to what is there, or overwrite
  };
  Target gradient_of(const Variable& x);  // for kernels that can add in place
  void add_gradient(const Variable& x,
                    const Tensor& grad);  // takes `grad` over, or adds it; no need: ignores

  // The backward pass from `outputs` with the cotangents `grads` (1 for a scalar loss), which frees on the way what was
  // saved. A tape has one: a second is an Error, as what it would need is gone. If it throws, the gradients that wait
  // in the tape's learners are dropped.
  void backward(const Variable& loss);
  void backward(const std::vector<Variable>& outputs, const std::vector<Tensor>& grads);

  // The gradient of an input() after backward; zeros if the loss does not depend on it. Error before backward, for what
  // was computed on the tape, whose gradient is not kept, and for parameters, whose gradient is Parameter::grad.
  Tensor grad(const Variable& x) const;

  // Random ops draw from stream after stream of the device-side state `random` (i64 [2]: seed, step). Where
  // several tapes share a state, as in one step, each begins at the stream where the one before stopped, or they
  // draw the same numbers.
  Tensor random;
  uint32_t stream = 0;  // the next

  // After every function, look for such a value in its output and throw Error naming the function.
  enum class Find { nothing, nan, not_finite };
  Find find = Find::nothing;

 private:
  struct Slot {
    Tensor grad;
    Shape shape;
    DType dtype;
    Parameter* parameter;
    bool leaf;
  };
  struct Node {
    const char* op;
    std::vector<int> outputs;
    BackwardOfMany backward;
  };
  Variable on_tape(const Tensor& value, bool leaf, Parameter* parameter = nullptr);
  Variable leaf(Parameter& parameter, const Tensor& value);
  bool teaches(const Parameter& parameter) const;
  void check_is_here(const Variable& x, const char* what) const;
  void add_to_parameter(Parameter& parameter, const Tensor& grad);
  void run_last_node();
  void take_arrivals();
  void look_at(const Tensor& output) const;

  Context& context_;
  std::vector<Learner*> learners_;
  uint64_t number_;
  bool backward_begun_ = false, backward_done_ = false;
  std::vector<Slot> slots_;
  std::vector<Node> nodes_;
  std::vector<int> arrivals_;  // parameters whose gradient was written in another type than their arena's
};

}  // namespace saccade
