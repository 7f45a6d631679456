// Everything that a network learns or keeps, in flat arenas: one for the values, one for their gradients, one for
// the buffers (running statistics). One optimizer launch covers a whole network.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/common/philox.h"
#include "tensor/tensor.h"

namespace saccade {

class ParameterArena;

// Sets the first values of a parameter, which are zero before. Several may run at a time, on any thread.
using Initializer = std::function<void(float* values, int64_t count, PhiloxStream& random)>;

struct Parameter {
  std::string name;           // the torchvision name
  Shape shape;                // ours: convolution weights KRSC (files hold OIHW)
  bool trainable = true;      // false: a buffer, which no optimizer sees
  int64_t offset = 0;         // first element in its arena
  Tensor value, grad;         // views of the arenas
  Tensor bf16_copy;           // the value rounded, where the context computes in bf16
  bool grad_written = false;  // the first write of a step overwrites, later ones add
  Initializer initialize;
  ParameterArena* arena = nullptr;  // the one it lies in

  bool frozen() const { return frozen_; }  // trainable, but kept as it is: ParameterArena::freeze
  int group() const { return group_; }     // index into the optimizer's groups: ParameterArena::set_group

 private:
  friend class ParameterArena;
  bool frozen_ = false;
  int group_ = 0;
};

class ParameterArena {
 public:
  ParameterArena() = default;
  ParameterArena(const ParameterArena&) = delete;
  ParameterArena& operator=(const ParameterArena&) = delete;

  // Before allocate(). The reference stays valid for the arena's life. A name may be used once.
  Parameter& add(const std::string& name, const Shape& shape, Initializer initialize);
  Parameter& add_buffer(const std::string& name, const Shape& shape, Initializer initialize);

  // Allocates the arenas (each parameter 256-byte aligned) and initializes every value from `seed` and its name,
  // so that a network with one layer more starts with the same values elsewhere. f32, or f64 for the oracle. On a
  // context whose precision is bf16 there is a bf16 copy of the values too; the f32 values are the masters.
  void allocate(Context& context, uint64_t seed, DType dtype = DType::f32);

  Parameter* find(const std::string& name);
  bool holds(const std::string& prefix) const;  // a parameter that learns, under `prefix` as freeze() has it
  std::deque<Parameter>& all() { return parameters_; }
  const std::deque<Parameter>& all() const { return parameters_; }

  // The parameters under `prefix` are kept as they are, or learn again: "layer1" is layer1.0.weight and all
  // others whose names go on with a dot, not layer10; "" is all. Error if there are none. After
  // Learner::start by Learner::freeze.
  void freeze(const std::string& prefix, bool on = true);
  // The same move by the rates of the optimizer's group `group`. Error if there are none.
  void set_group(const std::string& prefix, int group);
  // Changes when a parameter is frozen, freed or moved to another group: what was recorded before
  // moves other parameters.
  uint64_t version() const { return version_; }

  void begin_step();                        // gradients count as unwritten
  void finish_gradients(Context& context);  // zeroes what no function wrote

  // Rounds all values into their bf16 copy, if there is one. The optimizer keeps the copy in step with what it moves;
  // call this after anything else has written values.
  void refresh_bf16(Context& context);

  Tensor values, grads, buffers;    // flat
  Tensor bf16_values;               // flat, at the offsets of `values`
  int64_t trainable_count() const;  // numbers that can be learned, padding left out

  // --- For segments, which replay what no function sees ---
  std::weak_ptr<ParameterArena*> handle() const { return self_; }  // empty once the arena is gone
  std::vector<bool> waiting() const;                               // Parameter::grad_written of all
  void set_waiting(const std::vector<bool>& waiting);

 private:
  void draw_in_place(Context& context, uint64_t seed);
  void draw_and_copy(Context& context, uint64_t seed);
  template <class Field>
  void set_field(const std::string& prefix, Field Parameter::*field, Field value);
  std::deque<Parameter> parameters_;
  uint64_t version_ = 0;
  std::shared_ptr<ParameterArena*> self_ = std::make_shared<ParameterArena*>(this);
};

}  // namespace saccade
