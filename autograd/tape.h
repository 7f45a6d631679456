// The tape: what was computed, in order, and how to go back.
#pragma once

#include <functional>
#include <initializer_list>
#include <vector>

#include "autograd/cast.h"
#include "autograd/parameter.h"
#include "tensor/dispatch.h"
#include "tensor/tensor.h"

namespace saccade {

// A tensor on a tape. `slot` is where its gradient will be; -1: none is wanted.
struct Variable {
  Tensor value;
  int slot = -1;

  const Shape& shape() const { return value.shape(); }
  DType dtype() const { return value.dtype(); }
  bool needs_gradient() const { return slot >= 0; }
};

// A value kept for the gradient. get() throws if somebody has written over it since.
class Saved {
 public:
  explicit Saved(const Tensor& tensor) : tensor_(tensor), version_(tensor.version()) {}
  const Tensor& get() const {
    check(tensor_.version() == version_, "a value saved for a gradient was overwritten before backward");
    return tensor_;
  }
  template <class T>
  const T* data() const {
    return get().data<T>();
  }

 private:
  Tensor tensor_;
  uint64_t version_;
};

class Tape {
 public:
  using Backward = std::function<void(Tape&, const Tensor& grad)>;
  using BackwardOfMany = std::function<void(Tape&, const std::vector<Tensor>& grads)>;

  // record = false: functions compute and nothing is kept.
  explicit Tape(Context& context, bool record = true) : context_(context), record_(record) {}

  Context& context() { return context_; }
  bool recording() const { return record_; }

  Variable constant(const Tensor& value) { return {value, -1}; }
  Variable input(const Tensor& value);  // a leaf whose gradient is asked for with grad()
  Variable parameter(
      Parameter& parameter);              // as it is stored; its gradient goes to the parameter's own arena
  Variable weight(Parameter& parameter);  // in the precision of the context: bf16 from the arena's bf16 copy

  Tensor empty(const Shape& shape, DType dtype) { return Tensor(context_, shape, dtype); }
  Tensor empty_like(const Tensor& tensor) { return Tensor(context_, tensor.shape(), tensor.dtype()); }

  // --- For functions ---
  // First thing in each, so that errors and NaN reports can name it.
  void begin(const char* op) { context_.current_op = op; }
  // Puts `output` on the tape. `backward` receives d loss / d output and calls add_gradient or gradient_of for
  // each input that needs one. It is dropped when no input does.
  Variable record(const Tensor& output, std::initializer_list<const Variable*> inputs, Backward backward);
  // The same for several outputs; the gradient of one that took no part in the loss is an empty tensor.
  std::vector<Variable> record_many(const std::vector<Tensor>& outputs,
                                    std::initializer_list<const Variable*> inputs, BackwardOfMany backward);

  // --- For backward ---
  struct Target {
    Tensor tensor;    // where the gradient goes
    bool accumulate;  // add to what is there, or overwrite
  };
  Target gradient_of(const Variable& x);  // for kernels that can add in place
  void add_gradient(const Variable& x,
                    const Tensor& grad);  // takes `grad` over, or adds it; no need: ignores

  // Goes back from `output` with the cotangent `grad` (1 for a scalar loss), freeing what was saved on the way.
  void backward(const Variable& loss);
  void backward(const std::vector<Variable>& outputs, const std::vector<Tensor>& grads);
  Tensor grad(const Variable& x) const;  // zeros if nothing flowed there

  // Random ops draw from stream next_stream() of the device-side state `random` (i64 [2]: seed, step).
  Tensor random;
  uint32_t next_stream() { return streams_++; }

  // After every function, look for a NaN in its output and throw Error naming the function.
  bool find_nan = false;

 private:
  struct Slot {
    Tensor grad;
    Shape shape;
    DType dtype;
    Parameter* parameter;
  };
  struct Node {
    const char* op;
    std::vector<int> outputs;
    BackwardOfMany backward;
  };
  int new_slot(const Tensor& value, Parameter* parameter = nullptr);
  Variable leaf(Parameter& parameter, const Tensor& value);
  void add_to_parameter(Parameter& parameter, const Tensor& grad);
  void take_arrivals();
  void look_for_nan(const Tensor& output) const;

  Context& context_;
  bool record_;
  std::vector<Slot> slots_;
  std::vector<Node> nodes_;
  std::vector<int> arrivals_;  // parameters whose gradient was written in another type than their arena's
  uint32_t streams_ = 0;
};

}  // namespace saccade
