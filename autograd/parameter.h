// Everything that a network learns or keeps, in flat arenas: one for the values, one for their gradients, one for
// the buffers (running statistics). One optimizer launch covers a whole network.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "kernels/common/philox.h"
#include "tensor/tensor.h"

namespace saccade {

using Initializer = std::function<void(float* values, int64_t count, PhiloxStream& random)>;

struct Parameter {
  std::string name;           // the torchvision name
  Shape shape;                // ours: convolution weights KRSC (files hold OIHW)
  bool trainable = true;      // false: a buffer, which no optimizer sees
  bool frozen = false;        // trainable, but kept as it is
  int group = 0;              // index into the optimizer's groups
  int64_t offset = 0;         // first element in its arena
  Tensor value, grad;         // views of the arenas
  Tensor narrow;              // value rounded to bf16, where the context computes in bf16
  bool grad_written = false;  // the first write of a step overwrites, later ones add
  Initializer initialize;
};

class ParameterArena {
 public:
  // Before allocate(). The reference stays valid for the arena's life. A name may be used once.
  Parameter& add(const std::string& name, const Shape& shape, Initializer initialize);
  Parameter& add_buffer(const std::string& name, const Shape& shape, Initializer initialize);

  // Allocates the arenas (each parameter 256-byte aligned) and initializes every value from `seed` and its name,
  // so that a network with one layer more starts with the same values elsewhere. f32, or f64 for the oracle. On a
  // context whose precision is bf16 there is a bf16 copy of the values too; the f32 values are the masters.
  void allocate(Context& context, uint64_t seed, DType dtype = DType::f32);

  Parameter* find(const std::string& name);
  std::deque<Parameter>& all() { return parameters_; }
  const std::deque<Parameter>& all() const { return parameters_; }

  void begin_step();  // gradients count as unwritten
  void mark_moved();  // after a replayed step, which no function saw: everything counts as written
  void finish_gradients(Context& context);  // zeroes what no function wrote

  // Rounds all values into their bf16 copy, if there is one. The optimizer keeps the copy in step with what it moves; call
  // this after anything else has written values.
  void refresh_narrow(Context& context);

  Tensor values, grads, buffers;    // flat
  Tensor narrow_values;             // flat, at the offsets of `values`
  int64_t trainable_count() const;  // numbers that can be learned, padding left out

 private:
  std::deque<Parameter> parameters_;
};

}  // namespace saccade
